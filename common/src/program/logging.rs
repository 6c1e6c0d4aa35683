//! The log of a program: every thread may log, and the thread `log` writes to standard error. So no thread
//! waits for the reader of standard error, also not while it panics.

use crate::{
    program::{background_writer::BackgroundWriter, wall_clock, zone::Zone},
    text::calendar::DateTime,
};
use env_logger::{
    fmt::{
        style::{AnsiColor, Style},
        Formatter,
    },
    Builder, Env, Target, WriteStyle,
};
use log::Record;
use std::{
    backtrace::{Backtrace, BacktraceStatus},
    env,
    io::{self, IsTerminal, Write},
    panic, thread,
};

/// Starts the log to `stderr`, and logs panics from now on. Returns the writer to it, for sentences that have
/// to stand in order with the log. `stderr` is standard error, with what the program needs around it. With a
/// `zone` the lines are for people: they have local time, and no module.
/// `$RUST_LOG` sets the level; without it, the level is `default_level`.
///
/// # Errors
/// When the system gives no thread.
///
/// # Panics
/// When the process has a logger already.
pub fn start(
    default_level: &str,
    stderr: impl Write + Send + 'static,
    zone: Option<Zone>,
) -> io::Result<BackgroundWriter> {
    let writer = BackgroundWriter::start("log", stderr)?;
    let mut builder = Builder::from_env(Env::default().default_filter_or(default_level));
    builder
        .target(Target::Pipe(Box::new(writer.clone())))
        .format(move |out, record| write_record(out, record, zone.as_ref()));
    // With this kind of target, env_logger does not look at standard error.
    if !matches!(env::var("RUST_LOG_STYLE").as_deref(), Ok("always" | "never")) {
        builder.write_style(if shows_color() { WriteStyle::Always } else { WriteStyle::Never });
    }
    builder.init();
    panic::set_hook(Box::new(log_panic));
    Ok(writer)
}

/// Writes a record as env_logger would. That panics after the year 9999, and a panic while a panic is logged
/// ends the program.
fn write_record(out: &mut Formatter, record: &Record<'_>, zone: Option<&Zone>) -> io::Result<()> {
    let level = out.default_level_style(record.level());
    // Without colors, nothing has one.
    let bracket = if level == Style::new() { level } else { AnsiColor::BrightBlack.on_default() };
    let now = wall_clock::now();
    let (name, text) = (record.level(), record.args().to_string().replace('\n', "\n    "));
    if let Some(zone) = zone {
        let time = zone.local(now).date_and_seconds();
        return writeln!(
            out,
            "{bracket}[{bracket:#}{time} {level}{name}{level:#}{bracket}]{bracket:#} {text}"
        );
    }
    let (time, target) = (DateTime::from_seconds((now / 1000) as i64).rfc3339(), record.target());
    writeln!(
        out,
        "{bracket}[{bracket:#}{time} {level}{name:<5}{level:#} {target}{bracket}]{bracket:#} {text}"
    )
}

/// Whether standard error is a terminal that shows colors, and the person wants them.
fn shows_color() -> bool {
    let is_set = |name| env::var_os(name).is_some_and(|value| !value.is_empty());
    io::stderr().is_terminal() && !is_set("NO_COLOR") && env::var("TERM").is_ok_and(|term| term != "dumb")
}

/// Logs the thread, the place and the message. `$RUST_BACKTRACE` adds a backtrace.
fn log_panic(panic: &panic::PanicHookInfo<'_>) {
    let thread = thread::current();
    let name = thread.name().unwrap_or("without a name");
    let backtrace = Backtrace::capture();
    match backtrace.status() {
        BacktraceStatus::Captured => log::error!("thread {name} {panic}\n{backtrace}"),
        _ => log::error!("thread {name} {panic}"),
    }
}
