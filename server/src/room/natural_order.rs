//! The order of names as people count. The case of letters makes no difference, and `pupil_16` stands before
//! `pupil_159`. Plain values, for any thread.

/// A name in the form in which names are sorted. Names that differ only in case keep one order, because the
/// name itself stands last.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct SortKey(Vec<Part>, String);

/// Digits that follow each other, or what stands between them.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Part {
    /// A number without its leading zeros. A number with more digits is larger, so their count stands first.
    Number(usize, String),
    /// In small letters.
    Text(String),
}

/// Returns the key by which `name` is sorted.
pub(super) fn sort_key(name: &str) -> SortKey {
    let characters: Vec<char> = name.chars().collect();
    let parts = characters.chunk_by(|one, other| one.is_ascii_digit() == other.is_ascii_digit());
    let part = |part: &[char]| {
        let text: String = part.iter().collect();
        if !part[0].is_ascii_digit() {
            return Part::Text(text.to_lowercase());
        }
        let digits = text.trim_start_matches('0');
        Part::Number(digits.len(), digits.to_owned())
    };
    SortKey(parts.map(part).collect(), name.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_sorted_as_people_count() {
        let sorted = [
            "2nd",
            "10th",
            "Ann",
            "bob",
            "Bob2",
            "bob10",
            "pupil_9",
            "Pupil_16",
            "pupil_0159",
            "pupil_159b",
            "pupil_18446744073709551616",
            "zoë",
        ];
        let mut names = sorted;
        names.reverse();
        names.sort_by_cached_key(|name| sort_key(name));
        assert_eq!(names, sorted);
    }
}
