//! Patterns of ways: `gateway > lb > cas* > mbx1`.

use std::fmt;

/// A name with `*` for any text and `{a,b}` for either.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Glob {
    text: String,
    alternatives: Vec<String>,
}

impl Glob {
    /// Reads one.
    ///
    /// # Errors
    /// A sentence: a bracket is not closed, or a sign stands there that no name has.
    pub fn parse(text: &str) -> Result<Self, String> {
        if text.is_empty() {
            return Err("a node's name is missing".into());
        }
        if let Some(strange) = text
            .chars()
            .find(|c| !(c.is_ascii_alphanumeric() || "-_.*{},".contains(*c)))
        {
            return Err(format!("`{strange}` is in no node's name"));
        }
        let mut alternatives = vec![String::new()];
        let mut rest = text;
        while let Some(open) = rest.find(['{', '}']) {
            if rest.as_bytes()[open] == b'}' {
                return Err("`}` closes nothing".into());
            }
            let Some(close) = rest[open..].find('}').map(|at| open + at) else {
                return Err("`{` is not closed".into());
            };
            let choices: Vec<&str> = rest[open + 1..close].split(',').map(str::trim).collect();
            if choices
                .iter()
                .any(|choice| choice.is_empty() || choice.contains('{'))
            {
                return Err("between `{` and `}` stand names, separated by commas".into());
            }
            let head = &rest[..open];
            alternatives = alternatives
                .iter()
                .flat_map(|one| {
                    choices
                        .iter()
                        .map(move |choice| format!("{one}{head}{choice}"))
                })
                .collect();
            if alternatives.len() > MOST {
                return Err(format!("it stands for more than {MOST} names"));
            }
            rest = &rest[close + 1..];
        }
        alternatives.iter_mut().for_each(|one| one.push_str(rest));
        Ok(Self {
            text: text.to_owned(),
            alternatives,
        })
    }

    /// Whether a node is meant.
    pub fn matches(&self, name: &str) -> bool {
        self.alternatives
            .iter()
            .any(|pattern| wild(pattern.as_bytes(), name.as_bytes()))
    }

    /// What stands without `*`: names that must be nodes'.
    pub fn alternatives(&self) -> &[String] {
        &self.alternatives
    }
}

/// Most names that one pattern may stand for.
const MOST: usize = 256;

impl fmt::Display for Glob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// `*` for any text, in time linear in both for each star.
fn wild(pattern: &[u8], name: &[u8]) -> bool {
    let (mut p, mut n) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while n < name.len() {
        if pattern.get(p) == Some(&b'*') {
            star = Some((p, n));
            p += 1;
        } else if pattern.get(p) == Some(&name[n]) {
            p += 1;
            n += 1;
        } else if let Some((at, from)) = star {
            star = Some((at, from + 1));
            p = at + 1;
            n = from + 1;
        } else {
            return false;
        }
    }
    pattern[p..].iter().all(|byte| *byte == b'*')
}

/// A pattern of a way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PathPattern {
    parts: Vec<Part>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    /// Any nodes, also none.
    Gap,
    /// One of these.
    Node(Glob),
}

impl PathPattern {
    /// Reads one: names, separated by `>`; `...` for anything between.
    ///
    /// # Errors
    /// A sentence.
    pub fn parse(text: &str) -> Result<Self, String> {
        let parts = text
            .split('>')
            .map(|part| match part.trim() {
                "..." | "…" => Ok(Part::Gap),
                part => Glob::parse(part).map(Part::Node),
            })
            .collect::<Result<Vec<_>, _>>()?;
        if parts.iter().all(|part| *part == Part::Gap) {
            return Err("it fits every way".into());
        }
        Ok(Self { parts })
    }

    /// The names in it.
    pub fn globs(&self) -> impl Iterator<Item = &Glob> {
        self.parts.iter().filter_map(|part| match part {
            Part::Node(glob) => Some(glob),
            Part::Gap => None,
        })
    }

    /// Whether it fits a way. Nodes for which `may_be_left_out` holds need not be in the pattern.
    pub fn fits(&self, path: &[String], may_be_left_out: &dyn Fn(&str) -> bool) -> bool {
        // open[i]: the nodes so far fit the first i parts.
        let mut open = vec![false; self.parts.len() + 1];
        open[0] = true;
        self.pass_gaps(&mut open);
        for node in path {
            let mut next = vec![false; open.len()];
            for (at, part) in self.parts.iter().enumerate() {
                match part {
                    Part::Gap => next[at] |= open[at],
                    Part::Node(glob) => next[at + 1] |= open[at] && glob.matches(node),
                }
            }
            if may_be_left_out(node) {
                for (at, was) in open.iter().enumerate() {
                    next[at] |= was;
                }
            }
            self.pass_gaps(&mut next);
            open = next;
        }
        open[self.parts.len()]
    }

    fn pass_gaps(&self, open: &mut [bool]) {
        for (at, part) in self.parts.iter().enumerate() {
            if *part == Part::Gap && open[at] {
                open[at + 1] = true;
            }
        }
    }
}

impl fmt::Display for PathPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, part) in self.parts.iter().enumerate() {
            if at > 0 {
                f.write_str(" > ")?;
            }
            match part {
                Part::Gap => f.write_str("...")?,
                Part::Node(glob) => write!(f, "{glob}")?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::{Glob, PathPattern};

    fn fits(pattern: &str, path: &str) -> bool {
        let path: Vec<String> = path.split_whitespace().map(str::to_owned).collect();
        let routers = ["home-router", "isp", "gateway", "core"];
        PathPattern::parse(pattern)
            .expect("a pattern")
            .fits(&path, &|node| routers.contains(&node))
    }

    #[test]
    fn routers_may_be_left_out_and_others_may_not() {
        let way = "home-router isp gateway lb core cas2 core mbx1";
        assert!(fits("gateway > lb > cas* > mbx1", way));
        assert!(fits("lb > cas* > mbx1", way));
        assert!(fits(
            "home-router > isp > gateway > lb > core > cas2 > core > mbx1",
            way
        ));
        assert!(!fits("gateway > cas* > mbx1", way), "lb was left out");
        assert!(!fits("gateway > lb > cas*", way), "mbx1 was left out");
        assert!(!fits("lb > gateway > cas* > mbx1", way), "another order");
        assert!(
            !fits("gateway > lb > cas* > mbx1 > dc1", way),
            "dc1 is not there"
        );
    }

    #[test]
    fn gaps_and_alternatives() {
        let way = "gateway lb core cas2 core mbx1";
        assert!(fits("... > cas{1,2} > ...", way));
        assert!(fits("... > mbx1", way));
        assert!(fits("gateway > ...", way));
        assert!(fits("gateway > ... > {mbx1,mbx2}", way));
        assert!(!fits("... > cas1 > ...", way));
        assert!(!fits("... > cas2", way), "it goes on");
        assert!(!fits("lb > ... > gateway", way));
        assert!(fits("... > lb > ... > lb", "lb x lb"));
        assert!(!fits("lb > lb", "lb"));
    }

    #[test]
    fn names_are_globs() {
        for (glob, name, is) in [
            ("cas*", "cas1", true),
            ("cas*", "cas", true),
            ("*fe*", "lync-fe2", true),
            ("cas", "cas1", false),
            ("a*b*c", "aXbYbZc", true),
            ("a*b*c", "aXbYbZ", false),
            ("{lync,sp}-fe{1,2}", "sp-fe2", true),
            ("{lync,sp}-fe{1,2}", "sp-fe3", false),
        ] {
            assert_eq!(
                Glob::parse(glob).expect("a glob").matches(name),
                is,
                "{glob} {name}"
            );
        }
    }

    #[test]
    fn what_is_none_is_refused() {
        for wrong in [
            "", "a >", "> a", "a > > b", "{a", "a}", "{,a}", "a b", "...", "a/b",
        ] {
            assert!(PathPattern::parse(wrong).is_err(), "{wrong}");
        }
        assert!(Glob::parse(&"{a,b}".repeat(20)).is_err(), "2^20 names");
    }
}
