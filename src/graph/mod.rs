//! Pictures of a lab: [`picture`] says what is drawn, [`layout`] where, the others how.

mod dot;
#[cfg(test)]
pub mod example;
mod layout;
mod mermaid;
mod picture;
mod svg;

use lab_core::plan::Plan;

use picture::Picture;

/// How a picture is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// Scalable vector graphics, for browsers and documents; follows their light or dark mode
    Svg,
    /// Mermaid, for Markdown
    Mermaid,
    /// Graphviz
    Dot,
}

/// A lab as a picture.
pub fn draw(plan: &Plan, format: Format) -> String {
    let picture = Picture::of(plan);
    match format {
        Format::Svg => svg::write(&picture),
        Format::Mermaid => mermaid::write(&picture),
        Format::Dot => dot::write(&picture),
    }
}

#[cfg(test)]
mod tests {
    use super::{Format, draw, example};

    /// What every format must show.
    fn shows_everything(text: &str) {
        let plan = example::plan();
        for name in plan.nodes.keys().chain(plan.segments.keys()) {
            assert!(
                text.contains(name.as_str()),
                "{name} is missing in:\n{text}"
            );
        }
        for words in [
            "10.0.20.31",
            "10.0.20.0/24",
            "perimeter",
            "intranet",
            "front end",
            "203.0.113.71",
            "web1, web2",
        ] {
            assert!(text.contains(words), "{words} is missing in:\n{text}");
        }
    }

    #[test]
    fn every_format_shows_zones_segments_nodes_addresses_and_vips() {
        for format in [Format::Svg, Format::Mermaid, Format::Dot] {
            shows_everything(&draw(&example::plan(), format));
        }
    }

    #[test]
    fn the_picture_follows_the_lab() {
        let mut plan = example::plan();
        plan.nodes.remove("web2");
        for format in [Format::Svg, Format::Mermaid, Format::Dot] {
            assert!(!draw(&plan, format).contains("10.0.20.32"));
        }
    }

    #[test]
    fn what_is_broken_is_marked() {
        let mut plan = example::plan();
        if let Some(node) = plan.nodes.get_mut("web2") {
            node.running = false;
        }
        for format in [Format::Svg, Format::Mermaid, Format::Dot] {
            assert_ne!(
                draw(&plan, format),
                draw(&example::plan(), format),
                "{format:?}"
            );
        }
    }
}
