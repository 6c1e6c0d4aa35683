//! The tones of what is shown, and their escape sequences. A name has the same colour all day, on every screen.

/// What a piece of a line is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Tone {
    /// What people say.
    Text,
    /// The system's lines, the time, what was said earlier.
    Dim,
    /// What mentions us.
    Strong,
    /// The person of this name.
    Name(String),
}

/// Colours of the 256 that can be told apart and read on black and on white.
const COLORS: [u8; 12] = [27, 32, 36, 64, 71, 97, 125, 130, 133, 166, 168, 172];

/// Ends whatever tone there was.
pub(crate) const RESET: &str = "\x1b[0m";

/// The sequence that begins a tone.
pub(crate) fn begin(tone: &Tone) -> String {
    match tone {
        Tone::Text => String::new(),
        Tone::Dim => "\x1b[2m".into(),
        Tone::Strong => "\x1b[1;35m".into(),
        Tone::Name(name) => format!("\x1b[38;5;{}m", color_of(name)),
    }
}

/// One piece in its tone.
pub(crate) fn paint(tone: &Tone, text: &str, color: bool) -> String {
    if color && *tone != Tone::Text {
        format!("{}{text}{RESET}", begin(tone))
    } else {
        text.to_owned()
    }
}

fn color_of(name: &str) -> u8 {
    // FNV-1a: short, even, and the same in every build, which the standard library's hasher does not promise.
    let hash = name.to_lowercase().bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    COLORS[(hash >> 32) as usize % COLORS.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_keeps_its_colour_and_names_differ() {
        assert_eq!(color_of("Sara"), color_of("sara"));
        let colors: std::collections::BTreeSet<u8> =
            ["Sara", "Tom", "Ann", "Bob", "Eve", "Ida", "Max", "Zoe"].map(color_of).into();
        assert!(colors.len() >= 4, "{colors:?}");
    }

    #[test]
    fn without_colour_there_is_no_escape() {
        assert_eq!(paint(&Tone::Name("Sara".into()), "[Sara]", false), "[Sara]");
        assert!(paint(&Tone::Dim, "x", true).ends_with(RESET));
    }
}
