//! Graphviz: <https://graphviz.org/doc/info/lang.html>.

use std::fmt::Write;

use super::picture::{Node, Picture};

/// A picture in Graphviz's language.
pub fn write(picture: &Picture) -> String {
    let mut text = String::from("graph lab {\n");
    let _ = writeln!(
        text,
        "  label={}; labelloc=t; fontname=\"sans-serif\"; rankdir=TB;",
        quoted(&picture.title)
    );
    text.push_str("  node [fontname=\"sans-serif\", fontsize=11, shape=box, style=\"rounded,filled\", fillcolor=white];\n");
    text.push_str("  edge [fontname=\"sans-serif\", fontsize=9, color=\"#64748b\"];\n");
    for (number, zone) in picture.zones.iter().enumerate() {
        let _ = writeln!(text, "  subgraph cluster_{number} {{");
        let _ = writeln!(
            text,
            "    label={}; style=\"rounded,filled\"; color=\"#cbd5e1\"; fillcolor=\"#f1f5f9\";",
            quoted(&zone.name)
        );
        for index in zone.first..zone.end {
            let segment = &picture.segments[index];
            let words = [&segment.name, &segment.prefixes, &segment.tier];
            let label: Vec<&str> = words
                .into_iter()
                .filter(|words| !words.is_empty())
                .map(String::as_str)
                .collect();
            let _ = writeln!(
                text,
                "    {} [label={}, style=filled, fillcolor=\"#94a3b8\", height=0.2];",
                segment_id(picture, index),
                quoted(&label.join("   "))
            );
        }
        for node in &picture.nodes {
            if node
                .legs
                .first()
                .is_some_and(|leg| (zone.first..zone.end).contains(&leg.segment))
            {
                let _ = writeln!(text, "    {}", shape(node));
            }
        }
        text.push_str("  }\n");
    }
    for node in &picture.nodes {
        if node.legs.is_empty() {
            let _ = writeln!(text, "  {}", shape(node));
        }
        for (position, leg) in node.legs.iter().enumerate() {
            let segment = segment_id(picture, leg.segment);
            let name = quoted(&node.name);
            // The outermost segment above the node, the others below.
            let (upper, lower) = if position == 0 || node.legs.len() == 1 {
                (&segment, &name)
            } else {
                (&name, &segment)
            };
            let style = if leg.up {
                ""
            } else {
                ", style=dashed, color=\"#b91c1c\""
            };
            let _ = writeln!(
                text,
                "  {upper} -- {lower} [label={}{style}];",
                quoted(&leg.addresses.join("\n"))
            );
        }
    }
    text.push_str("}\n");
    text
}

fn segment_id(picture: &Picture, index: usize) -> String {
    // A node may have the name of a segment.
    quoted(&format!("segment {}", picture.segments[index].name))
}

fn shape(node: &Node) -> String {
    let mut label = node.name.clone();
    for vip in &node.vips {
        let _ = write!(
            label,
            "\nVIP {} {} → {}",
            vip.name, vip.addresses, vip.members
        );
    }
    let looks = match node {
        Node { running: false, .. } => {
            ", style=\"rounded,filled,dashed\", fillcolor=\"#fee2e2\", color=\"#b91c1c\""
        }
        Node { router: true, .. } => {
            ", shape=hexagon, style=filled, fillcolor=\"#dbeafe\", color=\"#1d4ed8\""
        }
        Node { vips, .. } if !vips.is_empty() => ", fillcolor=\"#fef3c7\", color=\"#b45309\"",
        _ => "",
    };
    format!("{} [label={}{looks}];", quoted(&node.name), quoted(&label))
}

fn quoted(text: &str) -> String {
    format!(
        "\"{}\"",
        text.replace('\\', "\\\\")
            .replace('"', "\\\"")
            .replace('\n', "\\n")
    )
}

#[cfg(test)]
mod tests {
    use crate::graph::{Format, draw, example};

    #[test]
    fn zones_are_clusters_and_routers_stand_out() {
        let text = draw(&example::plan(), Format::Dot);
        assert_eq!(text.matches("subgraph cluster_").count(), 4, "{text}");
        assert_eq!(text.matches("shape=hexagon").count(), 3, "{text}");
        assert_eq!(text.matches('{').count(), text.matches('}').count());
        assert!(
            text.contains("\"segment database\" -- \"db\" [label=\"10.0.40.11\"];"),
            "{text}"
        );
    }

    #[test]
    fn quotes_in_a_title_do_not_end_it() {
        let mut plan = example::plan();
        plan.title = Some(r#"the "shop" \"#.into());
        assert!(draw(&plan, Format::Dot).contains(r#"label="the \"shop\" \\";"#));
    }
}
