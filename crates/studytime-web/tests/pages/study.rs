//! A course is studied, page by page.

use crate::site::*;
use studytime_node::api::{CourseDeprecate, CourseEdit, Import, path};

/// A course is imported, started, read, tested and annotated, all by forms.
#[tokio::test]
async fn a_course_is_studied() {
    let site = Site::open().await;
    let folder = site.dir.path().join("Knots");
    std::fs::create_dir_all(folder.join("02 Bends")).unwrap();
    std::fs::create_dir_all(folder.join("01 Loops")).unwrap();
    std::fs::write(folder.join("01 Loops/01 Bowline.md"), BOWLINE).unwrap();
    std::fs::write(folder.join("01 Loops/knot.png"), b"\x89PNG\r\n\x1a\n0000").unwrap();
    std::fs::write(folder.join("01 Loops/01 Bowline.quiz.json"), QUIZ).unwrap();
    std::fs::write(folder.join("02 Bends/01 Sheet bend.txt"), "Over, under.").unwrap();
    let import = Import {
        edit: CourseEdit {
            license: Some("CC0-1.0".into()),
            language: Some("ar".into()),
            ..CourseEdit::default()
        },
        catalog: Some("Mine".into()),
        ..Import::new(folder)
    };
    let course = site.handle().call(import).await.unwrap().course.unwrap();
    let (page, lesson) = (path::course_path(&course), path::lesson_path(&course, 1));

    let html = text(site.get(&page).await).await;
    for part in [
        "<h1 dir=\"rtl\" lang=\"ar\">Knots</h1>",
        "CC0",
        "Bowline",
        "Sheet bend",
        "Loops",
        "Start this course",
    ] {
        assert!(html.contains(part), "{part}");
    }
    // Texts are searchable a moment after they are published.
    let mut html = String::new();
    for _ in 0..100 {
        html = text(site.get("/courses?q=knot").await).await;
        if html.contains(&page) {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
    assert!(
        html.contains(&page) && html.contains("Remove filter: "),
        "{html}"
    );

    // Starting asks once whether others may see it.
    let html = text(site.post(&format!("{page}/start"), "").await).await;
    assert!(html.contains("May others see what you study?"));
    let started = site.post(&format!("{page}/start"), "share=no").await;
    assert_eq!(
        header_of(&started, "location"),
        format!("{page}?done=started")
    );

    let html = text(site.get(&lesson).await).await;
    assert_eq!(html.matches("<h1").count(), 1);
    assert!(
        html.contains("<math") && html.contains("src=\"/blob/") && html.contains("hl-k"),
        "{html}"
    );
    assert!(!html.contains("alert(1)") && html.contains("on another site, not loaded"));
    assert!(html.contains("Rabbit test") && html.contains("name=\"q1\" value=\"0\""));

    let action = html
        .split("action=\"")
        .find(|rest| rest.contains("/test/"))
        .unwrap();
    let action = action.split('"').next().unwrap();
    let result = text(site.post(action, "q0=1&q1=0&q1=1").await).await;
    assert!(
        result.contains("<b>100 %</b>") && result.contains("2 of 2 right"),
        "{result}"
    );
    assert!(result.contains("It runs around the tree."));
    let result = text(site.post(action, "q0=0").await).await;
    assert!(
        result.contains("Not passed yet") && result.contains("left out"),
        "{result}"
    );

    let noted = site
        .post(
            &format!("{lesson}/note"),
            "text=Out+of+the+*hole*+%3Cscript%3E",
        )
        .await;
    assert_eq!(
        header_of(&noted, "location"),
        format!("{lesson}?done=note#notes")
    );
    site.post(&format!("{lesson}/bookmark"), "set=1").await;
    let done = site.post(&format!("{lesson}/done"), "set=1&go_on=1").await;
    assert_eq!(
        header_of(&done, "location"),
        format!("{}?done=lesson-done", path::lesson_path(&course, 2))
    );

    let html = text(site.get("/learning").await).await;
    for part in [
        "Knots",
        "1 of 2 lessons",
        "Rabbit test",
        "<b class=\"good\">100 %</b>",
        "Out of the <em>hole</em>",
        "Bowline",
    ] {
        assert!(html.contains(part), "{part} not in {html}");
    }
    assert!(!html.contains("<script>"));
    let html = text(site.get("/downloads").await).await;
    assert!(html.contains("All here"), "{html}");
    let html = text(site.get("/").await).await;
    assert!(html.contains("Continue learning"));
    let html = text(site.get(&path::lesson_path(&course, 2)).await).await;
    assert!(html.contains("Over, under."));
    site.node.shutdown().await;
}

/// Who started a course that another one takes the place of goes on there, with
/// what was done.
#[tokio::test(flavor = "multi_thread")]
async fn a_learner_goes_on_in_the_successor() {
    let site = Site::open().await;
    let folder = site.dir.path().join("Knots");
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("1 Bowline.md"), "# Bowline").unwrap();
    let import = Import {
        catalog: Some("Mine".into()),
        ..Import::new(folder.clone())
    };
    let old = site.handle().call(import.clone()).await.unwrap();
    let old = old.course.unwrap();
    std::fs::write(folder.join("2 Hitch.md"), "# Hitch").unwrap();
    let import = Import {
        replaces: Some(old),
        ..import
    };
    let new = site.handle().call(import).await.unwrap().course.unwrap();
    let (page, next) = (path::course_path(&old), path::course_path(&new));
    let reason = "<b>its key is lost</b>";
    site.handle()
        .call(CourseDeprecate {
            id: old,
            successor: Some(new),
            reason: Some(reason.into()),
            undo: false,
        })
        .await
        .unwrap();
    // A visitor is led there; who has started may bring along what was done.
    let html = text(site.get(&page).await).await;
    assert!(html.contains("Take instead") && !html.contains("with what you did"));
    assert!(!html.contains(reason), "{html}");
    site.post(&format!("{page}/start"), "share=no").await;
    let lesson = path::lesson_path(&old, 1);
    site.post(&format!("{lesson}/done"), "set=1").await;
    let html = text(site.get(&page).await).await;
    let form = html
        .split("<form")
        .find(|f| f.contains("with what you did"))
        .unwrap();
    assert!(form.contains(&format!("action=\"{next}/start\"")), "{form}");
    let segment = path::feed_segment(&old);
    assert!(
        form.contains(&format!("name=\"from\" value=\"{segment}\"")),
        "{form}"
    );
    let from = format!("from={segment}");
    let gone_on = site.post(&format!("{next}/start"), &from).await;
    assert_eq!(
        header_of(&gone_on, "location"),
        format!("{next}?done=carried")
    );
    let html = text(site.get(&format!("{next}?done=carried")).await).await;
    assert!(html.contains("1 of 2 done"), "{html}");
    assert!(html.contains("You go on here."));
    let wrong = site.post(&format!("{next}/start"), "from=nonsense").await;
    assert_eq!(wrong.status().as_u16(), 404);
    site.node.shutdown().await;
}

const BOWLINE: &str = "# Bowline\n\nA loop of length $\\frac{1}{2}$.\n\n![Knot](knot.png)\n\n\
    ![Spy](https://spy.example/x.png)\n\n<script>alert(1)</script>\n\n```rust\nfn tie() {}\n```\n";

const QUIZ: &str = r#"{"name":"Rabbit test","pass_percent":50,"questions":[
    {"kind":"single","question":"What does the rabbit do?","options":["sleeps","runs"],"answer":1,"explanation":"It runs around the tree."},
    {"kind":"multiple","question":"What is there?","options":["a hole","a tree","a car"],"answers":[0,1]}]}"#;

/// A restored identity: the pages say what is locked, why, and what to do; what
/// would publish is refused with the same words.
#[tokio::test(flavor = "multi_thread")]
async fn a_locked_feed_is_told() {
    let dir = tempfile::tempdir().unwrap();
    let keys = studytime_schema::Keypair::from_seed(&[3; 32]);
    let secret = dir.path().join("secret");
    std::fs::write(&secret, keys.to_secret_file()).unwrap();
    studytime_node::restore_secret(&dir.path().join("data"), &secret).unwrap();
    let site = Site::open_in(dir).await;
    let person = format!("/person/{}", path::feed_segment(&keys.id()));
    for page in ["/network", &person] {
        let page = text(site.get(page).await).await;
        assert!(page.contains("be published on it for now"), "{page}");
        assert!(page.contains("it was restored") || page.contains("It was restored"));
        assert!(page.contains("--accept-loss"), "{page}");
    }
    let other = studytime_schema::Keypair::from_seed(&[4; 32]).id();
    let other = format!("/person/{}", path::feed_segment(&other));
    let answer = site.post(&other, "relation=follow").await;
    assert!(!answer.status().is_success() && !answer.status().is_redirection());
    assert!(text(answer).await.contains("locked"));
    // Nothing of the kind where nothing was restored.
    let page = text(Site::open().await.get("/network").await).await;
    assert!(!page.contains("accept-loss"));
}
