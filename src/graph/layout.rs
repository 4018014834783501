//! Where everything stands in a picture.
//!
//! Segments are bars from the top (outside) to the bottom (inside). Nodes with one leg hang below
//! their segment in a grid, right. Nodes with several stand left, each in a lane: a line from its
//! outermost segment to its innermost, with a dot where it is attached; it passes below the bars
//! in between. Nodes whose spans do not overlap share a lane, so that the way from the outside to
//! the inside is mostly one line.

use super::picture::{Leg, Node, Picture};

/// Space around everything.
const MARGIN: i32 = 24;
/// Height of the title.
const TITLE: i32 = 40;
/// Width of a node.
const NODE: i32 = 156;
/// Space between nodes, where lines run.
const GAP: i32 = 22;
/// Height of a segment's bar.
const BAR: i32 = 22;
/// Between a bar and the nodes below it: room for an address.
const BELOW_BAR: i32 = 22;
/// Between nodes and the next bar: room for an address.
const ABOVE_BAR: i32 = 24;
/// Height of a zone's name.
const ZONE: i32 = 26;
/// Height of a line of text, and above and below all lines of a node.
const LINE: i32 = 14;
const PADDING: i32 = 8;
/// Most nodes beside each other.
const COLUMNS: usize = 6;
/// From the left edge of a node in a lane to the lane's line.
const LANE_LINE: i32 = 20;
/// Most characters of a line in a node.
const CHARACTERS: usize = 25;

/// A rectangle.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rect {
    /// Left edge.
    pub x: i32,
    /// Upper edge.
    pub y: i32,
    /// Width.
    pub width: i32,
    /// Height.
    pub height: i32,
}

/// What a line of text in a node is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The node's name.
    Name,
    /// Addresses.
    Address,
    /// What runs in it.
    Runs,
    /// A VIP's name, or its addresses and members.
    Vip,
}

/// A node and its text.
#[derive(Debug)]
pub struct Placed {
    /// Number in [`Picture::nodes`].
    pub node: usize,
    /// Its box.
    pub rect: Rect,
    /// Lines with their base lines.
    pub lines: Vec<(Kind, i32, String)>,
}

/// A line between two points.
#[derive(Debug)]
pub struct Wire {
    /// From.
    pub from: (i32, i32),
    /// To.
    pub to: (i32, i32),
    /// Has a carrier.
    pub up: bool,
}

/// Where a wire is attached to a bar.
#[derive(Debug)]
pub struct Dot {
    /// Its centre.
    pub at: (i32, i32),
    /// The wire has a carrier.
    pub up: bool,
}

/// All of it.
#[derive(Debug, Default)]
pub struct Layout {
    /// Width of the picture.
    pub width: i32,
    /// Height of the picture.
    pub height: i32,
    /// Zones, in their order.
    pub bands: Vec<Rect>,
    /// Segments, in their order.
    pub bars: Vec<Rect>,
    /// Where the names of segments start.
    pub bar_text: i32,
    /// Nodes.
    pub nodes: Vec<Placed>,
    /// Wires; they pass below bars and nodes.
    pub wires: Vec<Wire>,
    /// Where wires are attached to bars.
    pub dots: Vec<Dot>,
    /// Addresses beside wires.
    pub labels: Vec<(i32, i32, String)>,
}

impl Layout {
    /// Of a picture.
    pub fn of(picture: &Picture) -> Self {
        let mut layout = Layout::default();
        let lanes = lanes(picture);
        let lane_count = lanes
            .iter()
            .flatten()
            .map(|lane| lane + 1)
            .max()
            .unwrap_or_default();
        let hosts = |segment: usize| -> Vec<usize> { single_homed(picture, segment) };
        let most = (0..picture.segments.len())
            .map(|segment| hosts(segment).len())
            .max()
            .unwrap_or_default();
        let columns = most.clamp(2, COLUMNS);
        let grid = MARGIN + GAP + as_units(lane_count) * (NODE + GAP);
        let right = grid + as_units(columns) * (NODE + GAP);
        layout.bar_text = grid + 10;
        layout.width = right + GAP + MARGIN;
        let mut y = MARGIN + TITLE;
        for zone in &picture.zones {
            let top = y;
            y += ZONE;
            for segment in zone.first..zone.end {
                layout.bars.push(Rect {
                    x: grid,
                    y,
                    width: right - grid,
                    height: BAR,
                });
                let bar = y;
                y += BAR + BELOW_BAR;
                let end =
                    layout.place_grid(picture, &hosts(segment), (grid, y), columns, Some(bar));
                let end = end.max(layout.place_lanes(picture, &lanes, segment, y));
                y = end + ABOVE_BAR;
            }
            layout.bands.push(Rect {
                x: MARGIN,
                y: top,
                width: right + GAP - MARGIN,
                height: y - top - 6,
            });
            y += 6;
        }
        let detached: Vec<usize> = (0..picture.nodes.len())
            .filter(|&node| picture.nodes[node].legs.is_empty())
            .collect();
        if !detached.is_empty() {
            y = layout.place_grid(picture, &detached, (grid, y + GAP), columns, None);
        }
        layout.height = y + MARGIN;
        layout.draw_lane_wires(picture, &lanes);
        layout
    }

    /// Places nodes in a grid below a bar, each column with a riser at its left; gives the end.
    fn place_grid(
        &mut self,
        picture: &Picture,
        nodes: &[usize],
        (x, mut y): (i32, i32),
        columns: usize,
        bar: Option<i32>,
    ) -> i32 {
        let mut end = y;
        for row in nodes.chunks(columns) {
            let mut tallest = 0;
            for (column, &node) in row.iter().enumerate() {
                let drawn = &picture.nodes[node];
                let left = x + GAP + as_units(column) * (NODE + GAP);
                let placed = place(node, drawn, left, y);
                tallest = tallest.max(placed.rect.height);
                if let Some(bar) = bar {
                    let up = drawn.legs.iter().all(|leg| leg.up);
                    let (riser, middle) = (left - GAP / 2, y + placed.rect.height.min(40) / 2);
                    // At the edge: the bar's text stays legible.
                    self.dots.push(Dot {
                        at: (riser, bar + BAR),
                        up,
                    });
                    self.wires.push(Wire {
                        from: (riser, bar + BAR),
                        to: (riser, middle),
                        up,
                    });
                    self.wires.push(Wire {
                        from: (riser, middle),
                        to: (left, middle),
                        up,
                    });
                }
                self.nodes.push(placed);
            }
            end = y + tallest;
            y = end + GAP / 2;
        }
        end
    }

    /// Places the nodes whose outermost segment this is; gives the end.
    fn place_lanes(
        &mut self,
        picture: &Picture,
        lanes: &[Option<usize>],
        segment: usize,
        y: i32,
    ) -> i32 {
        let mut end = y;
        for (node, drawn) in picture.nodes.iter().enumerate() {
            let first = drawn.legs.first().is_some_and(|leg| leg.segment == segment);
            if let (true, Some(lane)) = (first, lanes[node]) {
                let left = MARGIN + GAP + as_units(lane) * (NODE + GAP);
                let placed = place(node, drawn, left, y);
                end = end.max(y + placed.rect.height);
                self.nodes.push(placed);
            }
        }
        end
    }

    fn draw_lane_wires(&mut self, picture: &Picture, lanes: &[Option<usize>]) {
        for (node, drawn) in picture.nodes.iter().enumerate() {
            let Some(lane) = lanes[node] else { continue };
            let x = MARGIN + GAP + as_units(lane) * (NODE + GAP) + LANE_LINE;
            let box_top = self
                .nodes
                .iter()
                .find(|placed| placed.node == node)
                .map(|placed| placed.rect.y);
            let mut from = box_top.unwrap_or_default();
            for (position, leg) in drawn.legs.iter().enumerate() {
                let bar = &mut self.bars[leg.segment];
                let middle = bar.y + BAR / 2;
                // The bar reaches out to its leftmost attachment.
                let left = bar.x.min(x - 12);
                (bar.width, bar.x) = (bar.width + bar.x - left, left);
                let label_y = if position == 0 {
                    bar.y + BAR + 13
                } else {
                    bar.y - 6
                };
                self.dots.push(Dot {
                    at: (x, middle),
                    up: leg.up,
                });
                self.labels.push((x + 7, label_y, label(leg)));
                self.wires.push(Wire {
                    from: (x, from),
                    to: (x, middle),
                    up: leg.up,
                });
                if position > 0 {
                    from = middle;
                }
            }
        }
    }
}

fn label(leg: &Leg) -> String {
    match leg.addresses.as_slice() {
        [] => String::new(),
        [one] => one.clone(),
        [first, rest @ ..] => format!("{first} +{}", rest.len()),
    }
}

/// Nodes that stand on this segment alone.
fn single_homed(picture: &Picture, segment: usize) -> Vec<usize> {
    let here = |node: &Node| matches!(node.legs.as_slice(), [leg] if leg.segment == segment);
    (0..picture.nodes.len())
        .filter(|&node| here(&picture.nodes[node]))
        .collect()
}

/// The lane of each node with several legs: the first one that is free over its span.
fn lanes(picture: &Picture) -> Vec<Option<usize>> {
    let span = |node: usize| match picture.nodes[node].legs.as_slice() {
        [first, .., last] => Some((first.segment, last.segment)),
        _ => None,
    };
    let mut spans: Vec<(usize, usize, usize)> = (0..picture.nodes.len())
        .filter_map(|node| span(node).map(|(first, last)| (first, last, node)))
        .collect();
    // Of those that start together, the longest comes first, a router before others.
    spans.sort_by_key(|&(first, last, node)| {
        (first, std::cmp::Reverse(last), !picture.nodes[node].router)
    });
    let mut lanes = vec![None; picture.nodes.len()];
    let mut ends: Vec<usize> = Vec::new();
    for (first, last, node) in spans {
        let lane = match ends.iter().position(|&end| end <= first) {
            Some(lane) => lane,
            None => {
                ends.push(0);
                ends.len() - 1
            }
        };
        ends[lane] = last;
        lanes[node] = Some(lane);
    }
    lanes
}

fn place(node: usize, drawn: &Node, x: i32, y: i32) -> Placed {
    let mut lines = vec![(Kind::Name, drawn.name.clone())];
    // Those of a node with several legs stand at its wires.
    if let [leg] = drawn.legs.as_slice() {
        lines.extend(
            leg.addresses
                .iter()
                .take(2)
                .map(|address| (Kind::Address, address.clone())),
        );
        if leg.addresses.len() > 2 {
            lines.push((Kind::Address, format!("+{}", leg.addresses.len() - 2)));
        }
    }
    if !drawn.runs.is_empty() {
        lines.push((Kind::Runs, drawn.runs.clone()));
    }
    for vip in &drawn.vips {
        lines.push((Kind::Vip, format!("VIP {}", vip.name)));
        lines.push((Kind::Vip, format!("{} → {}", vip.addresses, vip.members)));
    }
    let base = |line: usize| y + PADDING + as_units(line + 1) * LINE - 3;
    let height = 2 * PADDING + as_units(lines.len()) * LINE;
    let lines = lines
        .into_iter()
        .enumerate()
        .map(|(line, (kind, text))| (kind, base(line), shortened(&text)));
    Placed {
        node,
        rect: Rect {
            x,
            y,
            width: NODE,
            height,
        },
        lines: lines.collect(),
    }
}

fn shortened(text: &str) -> String {
    if text.chars().count() <= CHARACTERS {
        return text.to_owned();
    }
    text.chars().take(CHARACTERS - 1).chain(['…']).collect()
}

fn as_units(count: usize) -> i32 {
    i32::try_from(count).unwrap_or(i32::MAX / 1024)
}

#[cfg(test)]
mod tests {
    use super::{Layout, Rect, lanes};
    use crate::graph::example;
    use crate::graph::picture::Picture;

    fn overlap(a: &Rect, b: &Rect) -> bool {
        a.x < b.x + b.width && b.x < a.x + a.width && a.y < b.y + b.height && b.y < a.y + a.height
    }

    #[test]
    fn nothing_covers_anything_else() {
        let picture = Picture::of(&example::plan());
        let layout = Layout::of(&picture);
        assert_eq!(layout.nodes.len(), picture.nodes.len());
        let all: Vec<&Rect> = layout
            .nodes
            .iter()
            .map(|placed| &placed.rect)
            .chain(&layout.bars)
            .collect();
        for (index, a) in all.iter().enumerate() {
            assert!(
                a.x >= 0 && a.x + a.width <= layout.width && a.y + a.height <= layout.height,
                "{a:?} is outside"
            );
            for b in &all[index + 1..] {
                assert!(!overlap(a, b), "{a:?} and {b:?} overlap");
            }
        }
    }

    #[test]
    fn the_way_inside_is_one_lane() {
        let picture = Picture::of(&example::plan());
        let lanes = lanes(&picture);
        let lane = |name: &str| {
            picture
                .nodes
                .iter()
                .position(|node| node.name == name)
                .and_then(|node| lanes[node])
        };
        assert_eq!(
            [lane("home-router"), lane("gateway"), lane("core")],
            [Some(0); 3]
        );
        assert_eq!(lane("lb"), Some(1));
        assert_eq!(lane("web1"), None);
    }

    #[test]
    fn every_node_hangs_below_its_outermost_segment() {
        let picture = Picture::of(&example::plan());
        let layout = Layout::of(&picture);
        for placed in &layout.nodes {
            let segment = picture.nodes[placed.node].legs[0].segment;
            assert!(placed.rect.y > layout.bars[segment].y);
            if let Some(next) = layout.bars.get(segment + 1) {
                assert!(placed.rect.y + placed.rect.height < next.y);
            }
        }
    }
}
