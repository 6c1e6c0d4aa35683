//! Each server of the course is convicted of what its page says, and of nothing else. It builds all of them.

use course_judge::course::judge_all;

#[test]
fn each_server_of_the_course_is_as_its_page_says() {
    assert!(judge_all(1, &[], false), "the lines above name what is wrong");
}
