//! The picture on the page of each step shows what the step does.

use course_judge::pictures::old_pictures;

#[test]
fn the_picture_of_each_step_is_up_to_date() {
    assert_eq!(old_pictures(), Ok(vec![]), "these steps do something else; run `make course-pictures`");
}
