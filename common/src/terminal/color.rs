//! The styles of text, and their escape sequences. A name has the same color on every screen.

/// The style of one span of a line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Style {
    /// Messages.
    Text,
    /// Lines about the system, times, and the mark of an earlier event.
    Dim,
    /// A message that contains the person's name.
    Strong,
    /// The name of a person. It decides the color.
    Name(String),
    /// The codes of a program's own style, as between `ESC [` and `m`.
    Codes(String),
}

/// Some of the 256 terminal colors. They differ clearly and are readable on black and on white.
const COLORS: [u8; 12] = [27, 32, 36, 64, 71, 97, 125, 130, 133, 166, 168, 172];

/// Ends every style.
const RESET: &str = "\x1b[0m";

/// Returns the text with the escape sequences of its style.
pub fn paint(style: &Style, text: &str, color: bool) -> String {
    let start = match style {
        Style::Dim if color => "\x1b[2m".into(),
        Style::Strong if color => "\x1b[1;35m".into(),
        Style::Codes(codes) if color => format!("\x1b[{codes}m"),
        Style::Name(name) if color => format!("\x1b[38;5;{}m", color_of(name)),
        _ => return text.to_owned(),
    };
    format!("{start}{text}{RESET}")
}

fn color_of(name: &str) -> u8 {
    // FNV-1a is short and even. It is the same in every build; std's hasher does not promise that.
    let hash = name.to_lowercase().bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    COLORS[(hash >> 32) as usize % COLORS.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_always_has_the_same_color_and_names_differ() {
        assert_eq!(color_of("Sara"), color_of("sara"));
        let colors: std::collections::BTreeSet<u8> =
            ["Sara", "Tom", "Ann", "Bob", "Eve", "Ida", "Max", "Zoe"].map(color_of).into();
        assert!(colors.len() >= 4, "{colors:?}");
    }

    #[test]
    fn without_color_there_is_no_escape_sequence() {
        assert_eq!(paint(&Style::Name("Sara".into()), "[Sara]", false), "[Sara]");
        assert!(paint(&Style::Dim, "x", true).ends_with(RESET));
    }
}
