//! The beginning of a text, for a sentence that repeats what somebody typed.

/// The most characters of it. A longer sentence hides what is wrong.
const MAX_SHOWN: usize = 64;

/// Returns a text as it is, or the beginning of a long one with three dots behind it.
pub fn excerpt(text: &str) -> String {
    match text.char_indices().nth(MAX_SHOWN) {
        Some((end, _)) => format!("{}...", &text[..end]),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_beginning_of_a_long_text_is_repeated() {
        for text in ["", "/kick Bob", &"ö".repeat(MAX_SHOWN)] {
            assert_eq!(excerpt(text), text);
        }
        assert_eq!(excerpt(&"ö".repeat(70_000)), "ö".repeat(MAX_SHOWN) + "...");
    }
}
