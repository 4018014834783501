//! The comment that carries a rule's id and place into the kernel and back.
//!
//! `<id>`, or `<id>⇥<file>:<line>` with a tab between them: ids may hold spaces (`vip exchange`),
//! file names too, and neither holds a control character.

use crate::plan::Rule;

/// Longest comment that nftables takes, in bytes (NFTNL_UDATA_COMMENT_MAXLEN without the NUL).
const LONGEST: usize = 127;
const SEPARATOR: char = '\t';

/// The comment of a rule. A place that does not fit is left out, an id that does not is cut.
pub(super) fn of(rule: &Rule) -> String {
    let id: String = rule.id.chars().filter(|c| !c.is_control()).collect();
    if let Some(place) = &rule.place {
        let comment = format!("{id}{SEPARATOR}{}", place.replace(char::is_control, " "));
        if comment.len() <= LONGEST {
            return comment;
        }
    }
    id[..id.floor_char_boundary(LONGEST)].to_owned()
}

/// The rule's id in a comment.
pub fn id_of(comment: &str) -> &str {
    comment.split_once(SEPARATOR).map_or(comment, |(id, _)| id)
}

/// `file:line` in a comment.
pub fn place_of(comment: &str) -> Option<&str> {
    comment.split_once(SEPARATOR).map(|(_, place)| place)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::Action;

    fn comment(id: &str, place: Option<&str>) -> String {
        of(&Rule {
            id: id.into(),
            place: place.map(Into::into),
            matches: Vec::new(),
            mark: None,
            action: Action::Accept,
        })
    }

    #[test]
    fn id_and_place_are_read_back() {
        for (id, place) in [
            ("P7", Some("acl.yaml:12")),
            ("P7", None),
            ("vip exchange", Some("my lab.yaml:7")),
            ("port 8080:1", None),
        ] {
            let comment = comment(id, place);
            assert_eq!((id_of(&comment), place_of(&comment)), (id, place));
        }
    }

    #[test]
    fn what_does_not_fit_is_left_out() {
        let long = "ä".repeat(100);
        assert_eq!(comment("P7", Some(&long)), "P7");
        assert_eq!(comment(&long, None), "ä".repeat(63));
    }
}
