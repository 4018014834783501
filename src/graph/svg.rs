//! SVG: one file without scripts or fonts of its own, legible on light and dark pages.

use std::fmt::Write;

use super::layout::{Kind, Layout};
use super::picture::{Node, Picture};

/// Colours; a viewer that knows no media queries shows the light ones.
const STYLE: &str = include_str!("style.css");
/// Zones have one of so many colours in [`STYLE`].
const ZONE_COLOURS: usize = 6;

/// A picture as SVG.
pub fn write(picture: &Picture) -> String {
    let layout = Layout::of(picture);
    let (width, height) = (layout.width, layout.height);
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" width=\"{width}\" \
         height=\"{height}\" role=\"img\">\n<title>{}</title>\n<style>\n{STYLE}</style>\n",
        escaped(&picture.title)
    );
    let _ = writeln!(
        svg,
        "<rect class=\"sheet\" width=\"{width}\" height=\"{height}\"/>"
    );
    let _ = writeln!(
        svg,
        "<text class=\"title\" x=\"24\" y=\"44\">{}</text>",
        escaped(&picture.title)
    );
    write_bands(&mut svg, picture, &layout);
    for wire in &layout.wires {
        let class = if wire.up { "wire" } else { "wire cut" };
        let ((x1, y1), (x2, y2)) = (wire.from, wire.to);
        let _ = writeln!(svg, "<path class=\"{class}\" d=\"M{x1} {y1}L{x2} {y2}\"/>");
    }
    write_bars(&mut svg, picture, &layout);
    for dot in &layout.dots {
        let class = if dot.up { "dot" } else { "dot cut" };
        let _ = writeln!(
            svg,
            "<circle class=\"{class}\" cx=\"{}\" cy=\"{}\" r=\"4\"/>",
            dot.at.0, dot.at.1
        );
    }
    for (x, y, text) in layout.labels.iter().filter(|(_, _, text)| !text.is_empty()) {
        let _ = writeln!(
            svg,
            "<text class=\"at\" x=\"{x}\" y=\"{y}\">{}</text>",
            escaped(text)
        );
    }
    write_nodes(&mut svg, picture, &layout);
    svg.push_str("</svg>\n");
    svg
}

fn write_bands(svg: &mut String, picture: &Picture, layout: &Layout) {
    for (number, (zone, band)) in picture.zones.iter().zip(&layout.bands).enumerate() {
        let colour = number % ZONE_COLOURS;
        let _ = writeln!(
            svg,
            "<rect class=\"zone zone{colour}\" x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\" rx=\"10\"/>",
            band.x, band.y, band.width, band.height
        );
        let _ = writeln!(
            svg,
            "<text class=\"zone-name\" x=\"{}\" y=\"{}\">{}</text>",
            band.x + band.width - 12,
            band.y + 18,
            escaped(&zone.name)
        );
    }
}

fn write_bars(svg: &mut String, picture: &Picture, layout: &Layout) {
    for (segment, bar) in picture.segments.iter().zip(&layout.bars) {
        let _ = writeln!(
            svg,
            "<rect class=\"bar\" x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\" rx=\"5\"/>",
            bar.x, bar.y, bar.width, bar.height
        );
        let tier = if segment.tier.is_empty() {
            String::new()
        } else {
            format!(" · {}", segment.tier)
        };
        let _ = writeln!(
            svg,
            "<text class=\"bar-text\" x=\"{}\" y=\"{}\"><tspan class=\"bar-name\">{}</tspan> {}{}</text>",
            layout.bar_text + 14,
            bar.y + 15,
            escaped(&segment.name),
            escaped(&segment.prefixes),
            escaped(&tier)
        );
    }
}

fn write_nodes(svg: &mut String, picture: &Picture, layout: &Layout) {
    for placed in &layout.nodes {
        let node = &picture.nodes[placed.node];
        let rect = placed.rect;
        let _ = writeln!(
            svg,
            "<g class=\"{}\"><title>{}</title>",
            class(node),
            escaped(&all_of(picture, node))
        );
        let _ = writeln!(
            svg,
            "<rect class=\"node\" x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\" rx=\"{}\"/>",
            rect.x,
            rect.y,
            rect.width,
            rect.height,
            if node.router { 16 } else { 6 }
        );
        for (kind, y, text) in &placed.lines {
            let class = match kind {
                Kind::Name => "name",
                Kind::Address => "address",
                Kind::Runs => "runs",
                Kind::Vip => "vip",
            };
            let _ = writeln!(
                svg,
                "<text class=\"{class}\" x=\"{}\" y=\"{y}\">{}</text>",
                rect.x + 10,
                escaped(text)
            );
        }
        svg.push_str("</g>\n");
    }
}

fn class(node: &Node) -> &'static str {
    match node {
        Node { running: false, .. } => "off",
        Node { router: true, .. } => "router",
        Node { vips, .. } if !vips.is_empty() => "balancer",
        _ => "host",
    }
}

/// All that is known of a node, shown when the pointer rests on it.
fn all_of(picture: &Picture, node: &Node) -> String {
    let mut text = format!(
        "{}{}",
        node.name,
        if node.router { " (router)" } else { "" }
    );
    for leg in &node.legs {
        let segment = picture
            .segments
            .get(leg.segment)
            .map_or("", |segment| &segment.name);
        let _ = write!(
            text,
            "\n{segment}: {}{}",
            leg.addresses.join(", "),
            if leg.up { "" } else { " (cut)" }
        );
    }
    if !node.runs.is_empty() {
        let _ = write!(text, "\nruns {}", node.runs);
    }
    for vip in &node.vips {
        let _ = write!(
            text,
            "\nVIP {} {} → {}",
            vip.name, vip.addresses, vip.members
        );
    }
    text
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use crate::graph::{Format, draw, example};

    #[test]
    fn it_is_well_formed() {
        let svg = draw(&example::plan(), Format::Svg);
        let mut open = Vec::new();
        // Enough of XML for what is written here: every element is closed, in order.
        for tag in svg.split('<').skip(1) {
            let Some((tag, _)) = tag.split_once('>') else {
                panic!("`<{tag}` has no end")
            };
            let name = tag.split_whitespace().next().unwrap_or_default();
            match name.strip_prefix('/') {
                Some(closed) => assert_eq!(open.pop(), Some(closed)),
                None if tag.ends_with('/') => {}
                None => open.push(name),
            }
        }
        assert!(open.is_empty(), "{open:?}");
        assert!(svg.contains("A shop &amp; its &lt;customers&gt;"));
    }

    #[test]
    fn routers_and_balancers_stand_out() {
        let svg = draw(&example::plan(), Format::Svg);
        assert_eq!(svg.matches("<g class=\"router\">").count(), 3);
        assert_eq!(svg.matches("<g class=\"balancer\">").count(), 1);
        assert!(svg.contains("prefers-color-scheme: dark"));
    }
}
