//! "Did you mean …?"

/// The candidate most like what was written, if one is like it enough to be meant.
pub fn nearest<'a>(
    written: &str,
    candidates: impl IntoIterator<Item = &'a str>,
) -> Option<&'a str> {
    let length = written.chars().count();
    let limit = (length / 3).clamp(1, 4);
    candidates
        .into_iter()
        // Lengths alone tell most apart; comparing needs memory for both lengths multiplied.
        .filter(|candidate| candidate.chars().count().abs_diff(length) <= limit)
        .map(|candidate| (strsim::damerau_levenshtein(written, candidate), candidate))
        .filter(|(distance, candidate)| {
            // A name that merely shares its length with another one is no misspelling of it.
            *distance <= limit && *distance < candidate.chars().count()
        })
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

#[cfg(test)]
mod tests {
    use super::nearest;

    #[test]
    fn a_misspelling_finds_its_word_and_another_word_finds_none() {
        let words = ["frontend", "database", "dns"];
        assert_eq!(nearest("fronted", words), Some("frontend"));
        assert_eq!(nearest("dsn", words), Some("dns"));
        assert_eq!(nearest("perimeter", words), None);
        assert_eq!(nearest("x", ["a", "b"]), None);
    }
}
