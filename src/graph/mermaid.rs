//! Mermaid flowcharts: <https://mermaid.js.org/syntax/flowchart.html>.

use std::fmt::Write;

use super::picture::{Node, Picture};

/// A picture as a Mermaid flowchart.
pub fn write(picture: &Picture) -> String {
    // The front matter is YAML, of which a JSON string is one.
    let title = serde_json::Value::from(picture.title.as_str());
    let mut text = format!("---\ntitle: {title}\n---\nflowchart TB\n");
    for (number, zone) in picture.zones.iter().enumerate() {
        let _ = writeln!(text, "  subgraph zone{number}[{}]", quoted(&zone.name));
        for index in zone.first..zone.end {
            let segment = &picture.segments[index];
            let words = [&segment.name, &segment.prefixes, &segment.tier];
            let label = words
                .into_iter()
                .filter(|words| !words.is_empty())
                .map(|words| escaped(words));
            let _ = writeln!(
                text,
                "    s{index}([\"{}\"])",
                label.collect::<Vec<_>>().join("<br>")
            );
        }
        for (index, node) in picture.nodes.iter().enumerate() {
            if node
                .legs
                .first()
                .is_some_and(|leg| (zone.first..zone.end).contains(&leg.segment))
            {
                let _ = writeln!(text, "    {}", shape(index, node));
            }
        }
        text.push_str("  end\n");
    }
    for (index, node) in picture.nodes.iter().enumerate() {
        if node.legs.is_empty() {
            let _ = writeln!(text, "  {}", shape(index, node));
        }
        for (position, leg) in node.legs.iter().enumerate() {
            let line = if leg.up { "---" } else { "-.-" };
            let address = leg.addresses.join("<br>");
            let label = if address.is_empty() {
                String::new()
            } else {
                format!("|\"{address}\"|")
            };
            // The outermost segment above the node, the others below.
            let _ = if position == 0 && node.legs.len() > 1 {
                writeln!(text, "  n{index} {line}{label} s{}", leg.segment)
            } else {
                writeln!(text, "  s{} {line}{label} n{index}", leg.segment)
            };
        }
    }
    text.push_str("  classDef router fill:#dbeafe,stroke:#1d4ed8,color:#0f172a\n");
    text.push_str("  classDef vip fill:#fef3c7,stroke:#b45309,color:#0f172a\n");
    text.push_str(
        "  classDef off fill:#fee2e2,stroke:#b91c1c,color:#7f1d1d,stroke-dasharray: 4 3\n",
    );
    text
}

fn shape(index: usize, node: &Node) -> String {
    let mut label = escaped(&node.name);
    for vip in &node.vips {
        let _ = write!(
            label,
            "<br>VIP {} {} → {}",
            escaped(&vip.name),
            escaped(&vip.addresses),
            escaped(&vip.members)
        );
    }
    let body = if node.router {
        format!("{{{{\"{label}\"}}}}")
    } else {
        format!("[\"{label}\"]")
    };
    let class = match node {
        Node { running: false, .. } => ":::off",
        Node { router: true, .. } => ":::router",
        Node { vips, .. } if !vips.is_empty() => ":::vip",
        _ => "",
    };
    format!("n{index}{body}{class}")
}

fn quoted(text: &str) -> String {
    format!("\"{}\"", escaped(text))
}

/// Mermaid's own entities; labels are HTML.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('"', "&quot;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use crate::graph::{Format, draw, example};

    #[test]
    fn routers_are_hexagons_and_lines_carry_addresses() {
        let text = draw(&example::plan(), Format::Mermaid);
        assert!(text.contains("{{\"gateway\"}}:::router"), "{text}");
        assert!(text.contains("|\"10.0.40.11\"|"), "{text}");
        assert!(
            text.contains("VIP shop 203.0.113.71 → web1, web2"),
            "{text}"
        );
        assert!(
            text.contains("title: \"A shop & its <customers>\""),
            "{text}"
        );
    }
}
