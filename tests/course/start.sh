#!/bin/sh
# Copies the start of an exercise to tests/course/mine, as a package of its own. Never overwrites anything.
# Usage: start.sh EXERCISE TARGET_FOLDER, for example start.sh 2B /home/ann/rpc-chat/target
set -eu
course=$(dirname "$0")
exercise=$1
letter=${exercise#"${exercise%?}"}
step=$(ls -d "$course/${exercise%?}"-* 2>/dev/null || true)
start=$step/start/$letter.rs
# What the compiler shall refuse starts as the step itself.
[ -e "$start" ] || [ ! -e "$step/solution/$letter.rs" ] || start=$step/src/main.rs
[ -e "$start" ] || {
	echo "there is no exercise \"$exercise\"; try: make start N=2B" >&2
	exit 1
}
mine=$course/mine/$exercise
if [ -e "$mine" ]; then
	echo "$mine is there already, and stays as it is."
	exit 0
fi
mkdir -p "$mine/src" "$mine/.cargo"
cp "$start" "$mine/src/main.rs"
# With the versions of the workspace, so that nothing is loaded.
cp "$course/../../Cargo.lock" "$mine/Cargo.lock"
# What the other programs of the workspace have built is not built again.
printf '[build]\ntarget-dir = "%s"\n' "$2" >"$mine/.cargo/config.toml"
cat >"$mine/Cargo.toml" <<END
# Exercise $exercise, made by "make start N=$exercise". It is yours.
[package]
name = "mine-$(echo "$exercise" | tr A-Z a-z)"
version = "0.1.0"
edition = "2021"

[dependencies]
course-kit = { path = "../../kit" }

# A workspace of its own: an error here stops nobody's tests.
[workspace]
END
echo "Change $mine/src/main.rs, then: make judge N=$exercise"
