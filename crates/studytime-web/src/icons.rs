//! Line icons, drawn for these pages, on a grid of 24.

/// The icon as inline SVG, hidden from screen readers: words stand beside it.
/// An unknown name gives a dot.
pub(crate) fn get(name: &str) -> &'static str {
    macro_rules! line {
        ($d:literal) => {
            concat!(
                "<svg class=\"icon\" viewBox=\"0 0 24 24\" aria-hidden=\"true\" focusable=\"false\"><path d=\"",
                $d,
                "\"/></svg>"
            )
        };
    }
    match name {
        "search" => line!("M11 4a7 7 0 1 0 0 14 7 7 0 0 0 0-14M16.200 16.200 21 21"),
        "home" => line!("M4 11 12 4l8 7M6 9.500V20h12V9.500M10 20v-6h4v6"),
        "courses" => line!(
            "M12 7c-2.500-2-5.500-2.500-9-2.500v13.500c3.500 0 6.500.5 9 2.500 2.500-2 5.500-2.500 9-2.500V4.500C17.500 4.500 14.500 5 12 7M12 7v13.500"
        ),
        "learning" => line!(
            "M3 9.500 12 5l9 4.500-9 4.500zM7 11.700V16c3 2.400 7 2.400 10 0v-4.300M21 9.500V15"
        ),
        "download" => line!("M12 4v11M7 10.500l5 5 5-5M4 20h16"),
        "network" => line!(
            "M12 3.500a2.500 2.500 0 1 0 0 5 2.500 2.500 0 0 0 0-5M5 15.500a2.500 2.500 0 1 0 0 5 2.500 2.500 0 0 0 0-5M19 15.500a2.500 2.500 0 1 0 0 5 2.500 2.500 0 0 0 0-5M10.800 8.300 6.200 15.700M13.200 8.300l4.600 7.400M7.500 18h9"
        ),
        "settings" => line!("M4 7h9M17 7h3M15 5v4M4 12h3M11 12h9M9 10v4M4 17h11M19 17h1M17 15v4"),
        "clock" => line!("M12 3.500a8.500 8.500 0 1 0 0 17 8.500 8.500 0 0 0 0-17M12 7.500V12l3 2"),
        "level" => line!("M5 19v-5M12 19V9.500M19 19V5"),
        "language" => line!(
            "M12 3.500a8.500 8.500 0 1 0 0 17 8.500 8.500 0 0 0 0-17M3.500 12h17M12 3.500c-5 5-5 12 0 17M12 3.500c5 5 5 12 0 17"
        ),
        "people" => line!(
            "M9 5a3.300 3.300 0 1 0 0 6.600A3.300 3.300 0 0 0 9 5M3 19.500c0-3.500 2.500-5.500 6-5.500s6 2 6 5.500M15.500 5.300a3.200 3.200 0 0 1 0 6M17 14.200c2.500.6 4 2.500 4 5.300"
        ),
        "here" | "done" => line!(
            "M12 3.500a8.500 8.500 0 1 0 0 17 8.500 8.500 0 0 0 0-17M8 12.200l2.800 2.800L16 9.500"
        ),
        "todo" => line!("M12 3.500a8.500 8.500 0 1 0 0 17 8.500 8.500 0 0 0 0-17"),
        "video" => line!("M3.500 5.500h17v13h-17zM10 9v6l5-3z"),
        "file" => line!("M6 3.500h8l4.500 4.500v12.500H6zM14 3.500V8h4.500M9 13h6M9 16.500h6"),
        "test" => line!(
            "M5 3.500h14v17H5zM8.500 8.500l1.500 1.500 2.500-3M14.500 9H16M8.500 15l1.500 1.500 2.500-3M14.500 15.500H16"
        ),
        "text" => line!("M4 6h16M4 10.500h16M4 15h11M4 19.500h7"),
        "bookmark" => line!("M7 3.500h10v17l-5-4-5 4z"),
        "note" => line!("M4.500 19.500V16L15.500 5l3.500 3.500-11 11zM13 7.500l3.500 3.500"),
        "next" => line!("M5 12h14M13 6l6 6-6 6"),
        "previous" => line!("M19 12H5M11 6l-6 6 6 6"),
        "up" => line!("M12 19V5M6 11l6-6 6 6"),
        "down" => line!("M12 5v14M6 13l6 6 6-6"),
        "close" => line!("M6 6l12 12M18 6 6 18"),
        "pause" => line!("M9 5v14M15 5v14"),
        "play" => line!("M7 4.500v15l12-7.500z"),
        "pin" => line!("M9 3.500h6l-1 6 4 4H6l4-4zM12 13.500V21"),
        "alert" => line!("M12 4 2.500 20h19zM12 10v5M12 17.500v.5"),
        "info" => {
            line!("M12 3.500a8.500 8.500 0 1 0 0 17 8.500 8.500 0 0 0 0-17M12 11v5.500M12 7.500v.5")
        }
        "licence" => {
            line!("M12 3.500a8.500 8.500 0 1 0 0 17 8.500 8.500 0 0 0 0-17M15 9.500a4 4 0 1 0 0 5")
        }
        "list" => line!("M9 6h11M9 12h11M9 18h11M4.500 6h.5M4.500 12h.5M4.500 18h.5"),
        "copy" => line!("M8.500 8.500h11v12h-11zM15.500 8.500v-5h-11v12h4"),
        "link" => line!(
            "M10 14a4 4 0 0 0 6 .5l3-3a4 4 0 0 0-6-6l-1 1M14 10a4 4 0 0 0-6-.5l-3 3a4 4 0 0 0 6 6l1-1"
        ),
        "computing" => line!("M8 7l-5 5 5 5M16 7l5 5-5 5M13.500 4.500l-3 15"),
        "mathematics" => line!("M18 5.500H6l6 6.500-6 6.500h12M18 5.500V8M18 18.500V16"),
        "science" => line!(
            "M9.500 3.500h5M10.500 3.500V10L5 19.500c-.3.600 0 1 .6 1h12.800c.6 0 .9-.4.600-1L13.500 10V3.500M7.500 15.500h9"
        ),
        "engineering" => line!(
            "M14.500 6a4.500 4.500 0 0 0-5.700 5.700L3.500 17v3.500H7l5.300-5.300A4.500 4.500 0 0 0 18 9.500L15 12l-3-3z"
        ),
        "health" => line!(
            "M12 20C6 16 3.500 12.500 3.500 9A4.500 4.500 0 0 1 12 7a4.500 4.500 0 0 1 8.500 2c0 3.500-2.500 7-8.500 11M6 12h3l1.500-2.500L13 14l1.500-2H18"
        ),
        "business" => line!("M3.500 8h17v12h-17zM8.500 8V4.500h7V8M3.500 13h17M12 12v2"),
        "humanities" => line!(
            "M3.500 9 12 4l8.500 5zM5.500 9v8M10 9v8M14 9v8M18.500 9v8M3.500 20h17M4.500 17h15"
        ),
        "society" => line!("M12 4v16M5 20h14M12 6l-7 2M12 6l7 2M5 8l-2.500 6h5zM19 8l-2.500 6h5z"),
        "arts" => line!(
            "M12 3.500a8.500 8.500 0 0 0 0 17c1.500 0 2-1 1.500-2.200-.6-1.500.2-2.800 2-2.800H18c1.500 0 2.500-1 2.500-2.500C20.500 7.500 17 3.500 12 3.500M7.500 11.500v.5M10 7.500V8M14.500 7.500V8"
        ),
        "languages" => line!(
            "M4 5h9M8.500 3.500V5M11 5c-.5 4-3 7-7 8.500M6 8c1 2.500 3.500 4.500 6 5.500M12 20.500l4.500-11 4.500 11M13.500 17h6"
        ),
        "teaching" => {
            line!("M3.500 4.500h17v10h-17zM12 14.500v3M8 20.500l4-3 4 3M7.500 8.500h6M7.500 11h4")
        }
        "life" => line!(
            "M12 20.500v-9M12 14c-5 0-7.500-2.500-7.500-7 5 0 7.500 2.500 7.500 7M12 11.500c0-4 2.500-6.500 7.500-7 .5 5-2.500 7.500-7.500 7.500"
        ),
        _ => line!("M12 9a3 3 0 1 0 0 6 3 3 0 0 0 0-6"),
    }
}

/// The icon of a category of subjects, found by words in its name.
pub(crate) fn for_category(category: &str) -> &'static str {
    const WORDS: &[(&str, &str)] = &[
        ("comput", "computing"),
        ("program", "computing"),
        ("data", "computing"),
        ("math", "mathematics"),
        ("engineer", "engineering"),
        ("technolog", "engineering"),
        ("health", "health"),
        ("medic", "health"),
        ("business", "business"),
        ("econom", "business"),
        ("language", "languages"),
        ("human", "humanities"),
        ("histor", "humanities"),
        ("social", "society"),
        ("societ", "society"),
        ("law", "society"),
        ("art", "arts"),
        ("design", "arts"),
        ("music", "arts"),
        ("teach", "teaching"),
        ("educat", "teaching"),
        ("scien", "science"),
        ("nature", "life"),
        ("life", "life"),
        ("personal", "life"),
        ("practical", "settings"),
    ];
    let name = category.to_lowercase();
    let icon = WORDS
        .iter()
        .find(|(word, _)| name.contains(word))
        .map_or("courses", |(_, icon)| icon);
    get(icon)
}
