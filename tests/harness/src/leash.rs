//! Children that cannot outlive us, whatever ends us.
//!
//! On Linux the kernel kills a child when the *thread* that started it ends. A runtime's threads come
//! and go, so one thread of our own starts all of them and stays until the process ends.

use std::io;
use std::process::{Child, Command};
use std::sync::OnceLock;
use std::sync::mpsc::{Sender, channel};
use std::sync::{Mutex, PoisonError};

type Order = (Command, Sender<io::Result<Child>>);

/// Starts a command that was wrapped by [`command`].
pub(crate) fn spawn(command: Command) -> io::Result<Child> {
    static STARTER: OnceLock<Mutex<Sender<Order>>> = OnceLock::new();
    let gone = || io::Error::other("the thread that starts children is gone");
    let starter = STARTER.get_or_init(|| {
        let (orders, inbox) = channel::<Order>();
        std::thread::spawn(move || {
            for (mut command, answer) in inbox {
                // Who asked may have given up.
                let _ = answer.send(command.spawn());
            }
        });
        Mutex::new(orders)
    });
    let (answer, outcome) = channel();
    starter.lock().unwrap_or_else(PoisonError::into_inner).send((command, answer)).map_err(|_| gone())?;
    outcome.recv().map_err(|_| gone())?
}

/// A command that runs `program` on the leash; the child's pid is the program's own.
pub(crate) fn command(leash: &std::path::Path, program: &std::path::Path) -> Command {
    let mut command = Command::new(leash);
    command.arg(std::process::id().to_string()).arg(program);
    command
}
