//! Another process to test with: this test program once more, with nothing to do but its test `child`.
#![allow(clippy::unwrap_used, reason = "a test's helpers may fail it")]

use std::env;
use std::ffi::OsStr;
use std::io::{BufRead, BufReader, Write, stdin, stdout};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::Duration;

/// No child that works is silent for that long.
const SILENCE_TIMEOUT: Duration = Duration::from_secs(60);

/// Before what a child says: the test harness says something, too.
const SAID: &str = "child: ";

/// A child, which is killed on drop.
pub struct Actor {
    /// The process, with a piped standard input and output.
    pub process: Child,
    lines: Receiver<String>,
}

impl Actor {
    /// Starts a child that does this in this place, a topic or a path.
    pub fn start(script: &str, place: impl AsRef<OsStr>) -> Actor {
        Actor::run(Command::new(env::current_exe().unwrap()), script, place)
    }

    /// As [`Actor::start`], by a command that runs the program that follows.
    pub fn start_by(mut command: Command, script: &str, place: impl AsRef<OsStr>) -> Actor {
        command.arg(env::current_exe().unwrap());
        Actor::run(command, script, place)
    }

    fn run(mut command: Command, script: &str, place: impl AsRef<OsStr>) -> Actor {
        command.args(["child", "--exact", "--ignored", "--nocapture"]);
        command.env("A0_TEST_SCRIPT", script).env("A0_TEST_PLACE", place);
        let mut process = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let (tell, lines) = channel();
        let stdout = BufReader::new(process.stdout.take().unwrap());
        thread::spawn(move || stdout.lines().map_while(Result::ok).try_for_each(|line| tell.send(line)));
        Actor { process, lines }
    }

    /// The next thing that the child says.
    pub fn says(&self) -> String {
        loop {
            let line = self.lines.recv_timeout(SILENCE_TIMEOUT).expect("the child should have said something");
            if let Some((_, said)) = line.split_once(SAID) {
                return said.to_owned();
            }
        }
    }

    /// Waits for the child to say this next.
    #[track_caller]
    pub fn expect(&self, what: &str) {
        assert_eq!(self.says(), what);
    }

    /// Ends its [`await_go`].
    pub fn go(&mut self) {
        writeln!(self.process.stdin.as_mut().unwrap(), "go").unwrap();
    }

    /// Kills the child with SIGKILL.
    pub fn kill(mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }

    /// Lets it go on to its own end.
    pub fn finish(mut self) {
        drop(self.process.stdin.take());
        assert!(self.process.wait().unwrap().success());
    }
}

impl Drop for Actor {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Returns the name of a test as its program knows it, from `concat!(module_path!(), "::NAME")`: the module path begins with the
/// program, the name does not.
pub fn test_name(path: &str) -> &str {
    path.split_once("::").map_or(path, |(_, name)| name)
}

/// In the child: what to do and where; `None` if this is no child.
pub fn script() -> Option<(String, String)> {
    Some((env::var("A0_TEST_SCRIPT").ok()?, env::var("A0_TEST_PLACE").ok()?))
}

/// In the child: what [`Actor::says`] gives.
pub fn say(what: &str) {
    // On a line of its own: with one core, the test harness has begun one.
    println!("\n{SAID}{what}");
    stdout().flush().unwrap();
}

/// In the child: waits for [`Actor::go`], or for the end of the standard input.
pub fn await_go() {
    stdin().read_line(&mut String::new()).unwrap();
}
