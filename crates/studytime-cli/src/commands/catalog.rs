//! `catalog …`

use crate::args::Catalog;
use crate::context::{Context, absolute};
use crate::failure::Failure;
use crate::render::{Fit, Table, count};
use studytime_node::api::{
    CatalogAdd, CatalogList, CatalogMove, CatalogNearby, CatalogNew, CatalogPublish,
    CatalogPublishFile, CatalogRemove, CatalogUnpublish, CourseEdit, Published,
};

pub(crate) async fn run(context: &Context, catalog: Catalog) -> Result<(), Failure> {
    match catalog {
        Catalog::New { name } => {
            let made = context.call(CatalogNew { name: name.clone() }).await?;
            context.out.value(&made, |t| {
                t.line(format!(
                    "Made your course list {name:?}. Others add it with:"
                ));
                t.line(format!("  studytime catalog add '{}'", made.id));
            })
        }
        Catalog::List => list(context).await,
        Catalog::Nearby => nearby(context).await,
        Catalog::Add { id } => {
            let done = context.call(CatalogAdd { id }).await?;
            context.out.value(&done, |t| {
                t.line(format!("You follow the course list {id}."))
            })
        }
        Catalog::Remove { id } => {
            let done = context.call(CatalogRemove { id }).await?;
            context.out.value(&done, |t| {
                t.line(format!("You no longer follow the course list {id}."))
            })
        }
        Catalog::Move { id, position } => {
            let done = context.call(CatalogMove { id, position }).await?;
            context.out.value(&done, |t| {
                t.line(format!("The course list {id} is now number {position}."))
            })
        }
        Catalog::Publish {
            list,
            id,
            from,
            edit,
        } => {
            let published = match (id, from) {
                (Some(course), None) => {
                    context
                        .call(CatalogPublish {
                            catalog: list.clone(),
                            course,
                            edit: (*edit).into(),
                        })
                        .await?
                }
                (None, Some(file)) => {
                    if CourseEdit::from(*edit) != CourseEdit::default() {
                        return Err(Failure::usage(
                            "with --from, the file says what the courses are called; leave the other options out",
                        ));
                    }
                    context
                        .call(CatalogPublishFile {
                            catalog: list.clone(),
                            path: absolute(&file)?,
                        })
                        .await?
                }
                // The parser lets nothing else through.
                _ => return Err(Failure::usage("say which course: its id, or --from FILE")),
            };
            tell(context, &list, &published)
        }
        Catalog::Unpublish { list, id } => {
            let published = context
                .call(CatalogUnpublish {
                    catalog: list.clone(),
                    course: id,
                })
                .await?;
            context.out.value(&published, |t| {
                t.line(format!(
                    "{list:?} no longer names the course. Whoever learns it keeps it."
                ));
            })
        }
    }
}

fn tell(context: &Context, list: &str, published: &Published) -> Result<(), Failure> {
    context.out.value(published, |t| {
        t.line(format!(
            "Published {} on {list:?}.",
            count(published.messages.len() as u64, "course", "courses")
        ));
    })
}

async fn list(context: &Context) -> Result<(), Failure> {
    let lists = context.call(CatalogList {}).await?;
    context.out.list(&lists, |t| {
        if lists.is_empty() {
            t.dim("You follow no course list: `studytime catalog add ID`");
            return;
        }
        let mut table = Table::new([
            ("No", Fit::Number),
            ("Name", Fit::Cut),
            ("Courses", Fit::Number),
            ("", Fit::Whole),
            ("Id", Fit::Whole),
        ]);
        for list in &lists {
            let kind = match (list.own, list.builtin) {
                (true, _) => "yours",
                (false, true) => "came with the program",
                (false, false) => "",
            };
            table.row([
                list.position.to_string(),
                list.name.clone(),
                list.courses.to_string(),
                kind.into(),
                list.id.to_string(),
            ]);
        }
        t.table(&table);
    })
}

async fn nearby(context: &Context) -> Result<(), Failure> {
    let lists = context.call(CatalogNearby {}).await?;
    context.out.list(&lists, |t| {
        if lists.is_empty() {
            t.dim("No connected node offers a course list (`studytime peer list` shows who is connected)");
            return;
        }
        let mut table = Table::new([
            ("Name", Fit::Cut),
            ("Offered by", Fit::Whole),
            ("", Fit::Whole),
            ("Id", Fit::Whole),
        ]);
        for list in &lists {
            table.row([
                list.name.clone(),
                count(list.peers.len() as u64, "node", "nodes"),
                if list.chosen { "yours" } else { "" }.into(),
                list.id.to_string(),
            ]);
        }
        t.table(&table);
    })
}
