//! Every command of the real client, and what the other clients show of it.

use chat_tests::{process::Program, room::connected, watchdog::poll};

/// Starts a room with Ann and Tom, each of whom has seen the other.
fn ann_and_tom() -> (Program, Program, Program) {
    let (server, address) = Program::server(&[]);
    let mut ann = Program::client(address, "Ann", &[]);
    ann.sees("Connected!");
    let tom = Program::joined_client(address, "Tom");
    ann.sees("User [Tom] joined\n");
    ann.types("/who");
    ann.sees("--- 2 here: Ann, Tom ---\n");
    (server, ann, tom)
}

#[test]
fn both_sides_of_a_private_message_are_marked_as_private() {
    let (_server, mut ann, mut tom) = ann_and_tom();
    ann.types("/msg Tom  between us");
    ann.sees("[to Tom, privately] between us\n");
    tom.sees("[Ann, privately] between us\n");
    tom.types("/reply all right");
    ann.sees("[Tom, privately] all right\n");
}

#[test]
fn a_reply_goes_to_the_last_private_author_even_under_a_new_name() {
    let (_server, mut ann, mut tom) = ann_and_tom();
    ann.types("/reply to nobody yet");
    ann.logs("/msg");
    tom.types("/msg Ann psst");
    tom.types("/nick Tim");
    ann.sees("User [Tom] is now [Tim]\n");
    ann.types("/reply yes?");
    tom.sees("[Ann, privately] yes?\n");
    tom.sees("--- you are [Tim] now ---\n");
}

#[test]
fn an_action_is_shown_with_a_star_and_the_name() {
    let (_server, mut ann, tom) = ann_and_tom();
    ann.types("/me waves");
    tom.sees("* Ann waves\n");
}

#[test]
fn two_slashes_say_a_text_that_begins_with_one() {
    let (_server, mut ann, tom) = ann_and_tom();
    ann.types("//who");
    tom.sees("[Ann] /who\n");
}

#[test]
fn a_private_message_behind_what_nobody_sees_stays_private() {
    let (_server, mut ann, tom) = ann_and_tom();
    for (number, start) in ["\u{feff}", "\u{200b}", "\u{200e}", "\u{2060}", "\u{301}"].iter().enumerate() {
        ann.types(&format!("{start}/msg Tom secret {number}"));
        tom.sees(&format!("[Ann, privately] secret {number}\n"));
    }
    ann.types("\u{feff}said to all");
    tom.sees("[Ann] said to all\n");
    assert!(!tom.output().contains("/msg"), "{}", tom.output());
}

#[test]
fn what_only_looks_like_a_slash_is_refused_with_what_to_type() {
    let (_server, mut ann, tom) = ann_and_tom();
    ann.types("\u{ff0f}msg Tom secret");
    ann.logs("--- that is not /; type /msg ---\n");
    ann.types("hello");
    tom.sees("[Ann] hello\n");
    assert!(!tom.output().contains("secret"), "{}", tom.output());
}

#[test]
fn a_wrong_command_is_reported_to_its_author_and_never_sent() {
    let (_server, mut ann, tom) = ann_and_tom();
    for mistake in ["/wave", "/msg", "/msg Tom", "/me", "/nick", "/history x", "/bell loud", "/reply"] {
        let before = ann.error_output().lines().count();
        ann.types(mistake);
        poll("an error line", || (ann.error_output().lines().count() > before).then_some(()));
        assert_eq!(ann.error_output().lines().count(), before + 1);
    }
    ann.types("done");
    tom.sees("[Ann] done\n");
    assert!(tom.output().ends_with(&(connected() + "[Ann] done\n")), "{}", tom.output());
}

#[test]
fn an_ignored_author_stays_hidden_under_every_name_until_the_command_is_repeated() {
    let (_server, mut ann, mut tom) = ann_and_tom();
    ann.types("/ignore tom");
    ann.sees("--- ignoring: tom ---\n");
    tom.types("unheard");
    tom.types("/me unseen");
    tom.types("/nick Tim");
    ann.sees("User [Tom] is now [Tim]\n");
    tom.types("still unheard");
    // The hidden messages arrive before this line.
    tom.types("/nick Tam");
    ann.sees("User [Tim] is now [Tam]\n");
    ann.types("/ignore Tam");
    ann.sees("--- ignoring nobody ---\n");
    tom.types("heard");
    ann.sees("[Tam] heard\n");
    assert!(!ann.output().contains("un"), "{}", ann.output());
    ann.types("/ignore Tam");
    ann.sees("--- ignoring: Tam ---\n");
    tom.types("/msg Ann unread");
    tom.sees("[to Ann, privately] unread\n");
    // The private message arrives before this line.
    tom.types("/nick Tom");
    ann.sees("User [Tam] is now [Tom]\n");
    ann.types("/reply to nobody");
    ann.logs("nobody has spoken to you alone yet");
}

#[test]
fn repeated_history_is_marked_as_earlier() {
    let (_server, mut ann, mut tom) = ann_and_tom();
    tom.types("one");
    tom.types("two");
    ann.sees("[Tom] two\n");
    ann.types("three");
    ann.types("/history 2");
    ann.sees("(earlier) [Tom] two\n(earlier) [Ann] three\n");
    assert!(!ann.output().contains("(earlier) [Tom] one"), "{}", ann.output());
}

#[test]
fn help_lists_every_command() {
    let (_server, mut ann, _tom) = ann_and_tom();
    ann.types("/help");
    for command in
        ["/who", "/msg", "/reply", "/me", "/nick", "/history", "/ignore", "/bell", "/clear", "/quit", "exit"]
    {
        ann.sees(command);
    }
}

#[test]
fn exit_and_quit_leave_and_print_bye() {
    for command in ["exit", "/quit"] {
        let (_server, mut ann, tom) = ann_and_tom();
        ann.types(command);
        assert_eq!(ann.exits(), Some(0));
        assert!(ann.output().ends_with("Bye!\n"), "{}", ann.output());
        tom.sees("User [Ann] left\n");
    }
}
