//! Which names count as the same, and which look the same. Pure functions, for any thread.
//!
//! [`fold`] makes equal what counts as the same, and [`looks_like`] finds what only the eye takes for the
//! same. A whole name in another script can still look like a Latin name; the README says so.

use super::scripts::{digit_value, SCRIPTS};
use std::{fmt, ops::Deref, sync::Arc};

/// A name with the forms in which it is compared, so that a comparison need not make them. It is cheap to
/// copy.
#[derive(Clone)]
pub(crate) struct Name {
    name: Arc<str>,
    /// See [`fold`].
    pub(crate) folded: Arc<str>,
    /// Another name [looks like](looks_like) this one if it has the same.
    pub(crate) shape: Arc<str>,
}

impl Name {
    pub(crate) fn new(name: &str) -> Name {
        Name { name: name.into(), folded: fold(name).into(), shape: shape(name).into() }
    }

    /// As the function [`is_alike`].
    pub(crate) fn is_alike(&self, other: &Name) -> bool {
        self.folded == other.folded || self.shape == other.shape
    }
}

impl Deref for Name {
    type Target = str;

    fn deref(&self) -> &str {
        &self.name
    }
}

/// As a string in quotes, which is how a person reads it in a refusal.
impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.name, f)
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self)
    }
}

/// Letters of one script that look the same, after the list of confusable characters of Unicode. In each
/// word, the letters before `=` are compared as what is behind it. Some pairs differ for a careful reader;
/// that costs only that two such names cannot be in the room together.
const LOOK_ALIKE: &str = "\
    ǎ=ă ð=đ ĺ=í ǐ=ľ þ=p ş=ș ţ=ț ǔ=ŭ æ=ae œ=oe σ=ο ү=у ӏ=і ы=ьі ю=іо ӕ=ае ӹ=ьї ռ=ո զ=գ \
    \u{5df}=\u{5d5} \u{6be}\u{6c1}\u{6d5}=\u{647} \u{6c3}=\u{629} \u{6c2}=\u{6c0} \u{643}=\u{6a9} \
    \u{649}\u{64a}\u{6ba}\u{6d2}=\u{6cc} \u{6d3}=\u{626} \u{62b}=\u{67e} \
    ৰ=র ஈ=ர ஜ=ஐ ஶ=ஸ ஊ=உள ஔ=ஒள റ=ര ඵ=එ ඹ=ඔ ඛ=බ ව=ච භ=හ ฃ=ข คต=ด ฆ=ม ซ=ช ฏ=ฎ ฑ=ท ฦ=ภ ๅ=า แ=เเ ແ=ເເ \
    倂=併 值=値 兑=兌 凑=湊 凒=溰 凓=溧 凔=滄 凗=漼 凘=澌 凙=澤 凚=澿 澟=凜 凟=瀆 囗=口 吴呉=吳 啟=啓 嵒=喦 士=土 塡=填 壿=墫 \
    奨奬=獎 妺=妹 娯娱=娛 嬀=媯 隺=寉 巿=市 帲=帡 恒=恆 悦=悅 户戸=戶 抺=抹 捝=挩 挿揷=插 搖摇=揺 敚=敓 曰=日 昩=昧 晩=晚 肦=朌 \
    胐=朏 胊=朐 脁=朓 脧=朘 膧=朣 末=未 杮=柿 棁=梲 樧=榝 沬=沫 涚=涗 湌=飡 凐=湮 潙=溈 溤=馮 濓=濂 瑶=瑤 眜=眛 硏=研 税=稅 \
    絶=絕 絚=絙 緖=緒 腁=胼 脱=脫 卄卝=艹 茉=苿 蔿=蒍 虁=蘷 蜕=蛻 詽=訮 説=說 謡=謠 讏=讆 豣=豜 趆=赿 跥=跺 躛=躗 躱=躲 輧=軿 \
    郷鄕=鄉 鋭=銳 鎭=鎮 飮=飲 鹃=鹂 黒=黑";

/// Returns the form in which names are compared: without case, with the digits 0 to 9, and with one letter
/// for those that look alike.
pub(crate) fn fold(name: &str) -> String {
    name.chars().fold(String::with_capacity(name.len()), |mut folded, c| {
        if c.is_ascii() {
            folded.push(c.to_ascii_lowercase());
            return folded;
        }
        match SCRIPTS.iter().find_map(|script| digit_value(c, script.zero_of(c)?)) {
            Some(value) => folded.extend(char::from_digit(value, 10)),
            None if !c.is_alphanumeric() => folded.push(c),
            // The upper case in between makes `ß` and `ss` equal. It leaves a mark behind a few letters, such
            // as `İ` and `ΰ`. A folded name has none, so that it is a possible name.
            None => {
                let lower = c.to_lowercase().flat_map(char::to_uppercase).flat_map(char::to_lowercase);
                for c in lower.filter(|c| c.is_alphanumeric()) {
                    match look_alike(c) {
                        Some(form) => folded.push_str(form),
                        None => folded.push(c),
                    }
                }
            }
        }
        folded
    })
}

/// Returns what a letter is compared as, if that is not the letter itself.
fn look_alike(c: char) -> Option<&'static str> {
    let start = LOOK_ALIKE.find(c)?;
    // No `=` follows a letter that others are compared as.
    let (_, form) = LOOK_ALIKE[start..].split(' ').next()?.split_once('=')?;
    Some(form)
}

/// Returns whether two names count as the same, or look the same.
pub(crate) fn is_alike(one: &str, other: &str) -> bool {
    looks_like(one, other) || fold(one) == fold(other)
}

/// Returns whether two names look the same because of `I`, `l`, `1`, `O` and `0`, as `BiII` and `Bill` do, or
/// because of a digit that looks like a full stop. [`fold`] cannot tell that: it makes `I` an `i` and `L` an
/// `l`, and so `Ian` and `Lan` would be one name.
pub(crate) fn looks_like(one: &str, other: &str) -> bool {
    one.chars().map(shape_of).eq(other.chars().map(shape_of))
}

/// Returns what two names share if one [looks like](looks_like) the other.
pub(super) fn shape(name: &str) -> String {
    name.chars().map(shape_of).collect()
}

/// The case of other letters makes no difference, because it makes none in [`fold`].
fn shape_of(c: char) -> char {
    match c {
        'I' | '1' => 'l',
        'L' => 'L',
        'O' | '0' => 'o',
        // The zeros of Arabic and of Persian.
        '\u{660}' | '\u{6f0}' => '.',
        c => c.to_lowercase().next().unwrap_or(c),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::tests::{digits, letters, seen};
    use std::collections::BTreeMap;

    /// A name may have `_`, `.` and `-`, and the digits 0 to 9, beside the letters of any script.
    #[test]
    fn what_looks_like_a_sign_that_any_name_may_have_does_not_tell_two_names_apart() {
        let mut missing = Vec::new();
        for c in SCRIPTS.iter().flat_map(|script| letters(script).chain(digits(script))) {
            for sign in "_.-".chars() {
                if seen(&c.to_string()) == seen(&sign.to_string()) && shape_of(c) != sign {
                    missing.push(format!("{c}={sign}"));
                }
            }
        }
        assert!(missing.is_empty(), "{}", missing.join(" "));
    }

    #[test]
    fn letters_of_one_script_that_look_the_same_are_one_letter() {
        let mut missing = Vec::new();
        for script in SCRIPTS {
            let mut by_look: BTreeMap<String, Vec<char>> = BTreeMap::new();
            let all = || letters(script).chain(digits(script));
            for c in all() {
                by_look.entry(seen(&c.to_string())).or_default().push(c);
            }
            let folded = |c: char| fold(&c.to_string());
            for look in by_look.values() {
                for (one, other) in look.iter().flat_map(|one| look.iter().map(move |other| (*one, *other))) {
                    // As ASCII's own I and l, and 1 and l, these are left to the reader.
                    let of_ascii = one.is_ascii() && other.is_ascii();
                    let letter_and_digit = script.zero_of(one).is_some() != script.zero_of(other).is_some();
                    if !of_ascii && !letter_and_digit && folded(one) != folded(other) {
                        missing.push(format!("{one}={other}"));
                    }
                }
            }
            for c in all().filter(|c| !c.is_ascii()) {
                let look = seen(&c.to_string());
                for (cut, _) in look.char_indices().skip(1) {
                    let halves = by_look.get(&look[..cut]).zip(by_look.get(&look[cut..]));
                    for (left, right) in halves.into_iter().flat_map(|(left, right)| {
                        left.iter().flat_map(move |left| right.iter().map(move |right| (*left, *right)))
                    }) {
                        if folded(c) != folded(left) + &folded(right) {
                            missing.push(format!("{c}={left}{right}"));
                        }
                    }
                }
            }
        }
        assert!(missing.is_empty(), "{}", missing.join(" "));
    }

    #[test]
    fn a_folded_name_is_folded_and_is_a_possible_name() {
        for c in SCRIPTS.iter().flat_map(|script| letters(script).chain(digits(script))) {
            let name = c.to_string();
            let folded = fold(&name);
            assert_eq!(fold(&folded), folded, "{name}");
            for same in [name.to_uppercase(), name.to_lowercase(), name.to_uppercase().to_lowercase()] {
                // The case of a few letters is a letter and a mark.
                let same: String = same.chars().filter(|c| c.is_alphanumeric()).collect();
                assert_eq!(fold(&same), folded, "{name} and {same}");
            }
            assert!(folded.chars().all(char::is_alphanumeric) && !folded.is_empty(), "{name}: {folded:?}");
        }
    }

    #[test]
    fn names_that_differ_in_case_or_in_encoding_are_equal() {
        for (one, other) in [
            ("ANN", "ann"),
            ("ÉLAN", "élan"),
            ("ſara", "Sara"),
            ("straße", "STRASSE"),
            ("STRAẞE", "strasse"),
            ("İstan", "istan"),
            ("ΟΔΥΣΣΕΥΣ", "οδυσσευς"),
            ("Ion\u{163}", "Ion\u{21b}"),
            ("عل\u{64a}", "عل\u{6cc}"),
            ("عل\u{649}", "عل\u{6cc}"),
            ("\u{643}مال", "\u{6a9}مال"),
            ("فاطم\u{647}", "فاطم\u{6c1}"),
            ("محمد\u{664}", "محمد\u{6f4}"),
            ("गगन१", "गगन1"),
        ] {
            assert_eq!(fold(one), fold(other));
        }
        assert_ne!(fold("Zoë"), fold("Zoe"));
    }
}
