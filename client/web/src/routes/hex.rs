//! Secrets as text: 32 hexadecimal digits. No I/O.

use chat_common::wire::token::Token;

/// Returns the token in 32 digits.
pub(super) fn token(text: &str) -> Option<Token> {
    let bytes = u128::from_str_radix(text, 16).ok()?.to_be_bytes();
    let is_plain = text.len() == 32 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    is_plain.then_some(Token::from_bytes(bytes))
}

/// Returns the digits of a token.
pub(super) fn digits(token: Token) -> String {
    format!("{:032x}", u128::from_be_bytes(*token.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_survives_and_nothing_else_is_one() {
        let secret = Token::from_bytes([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 255]);
        assert_eq!(token(&digits(secret)), Some(secret));
        for text in ["", "0", &"g".repeat(32), &"0".repeat(33), &format!("+{}", "0".repeat(31))] {
            assert_eq!(token(text), None, "{text}");
        }
    }
}
