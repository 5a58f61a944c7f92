//! Connections that mean no good, and come back as soon as they are ended.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Sender, channel};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use crate::DEADLINE;

/// Between looks at whether the crowd goes home.
const LOOK: Duration = Duration::from_millis(100);
const STACK_BYTES: usize = 128 << 10;

/// It goes home when it is dropped.
pub struct Crowd {
    home: Arc<AtomicBool>,
    members: Vec<JoinHandle<()>>,
}

impl Crowd {
    /// So many connections, each of which begins with these bytes and says nothing after them. All were there once when
    /// this returns.
    #[must_use]
    pub fn gather(address: &str, count: usize, beginning: &[u8]) -> Self {
        let home = Arc::new(AtomicBool::new(false));
        let (arrived, arrivals) = channel();
        let member = |_| {
            let (address, beginning) = (address.to_owned(), beginning.to_owned());
            let (home, arrived) = (home.clone(), arrived.clone());
            thread::Builder::new()
                .stack_size(STACK_BYTES)
                .spawn(move || haunt(&address, &beginning, &home, &arrived))
                .unwrap()
        };
        let members = (0..count).map(member).collect();
        for _ in 0..count {
            arrivals.recv_timeout(DEADLINE).expect("all of the crowd connect");
        }
        Self { home, members }
    }
}

impl Drop for Crowd {
    fn drop(&mut self) {
        self.home.store(true, Ordering::Relaxed);
        for member in self.members.drain(..) {
            // A panic there is no failure of what is tested.
            let _ = member.join();
        }
    }
}

fn haunt(address: &str, beginning: &[u8], home: &AtomicBool, arrived: &Sender<()>) {
    while !home.load(Ordering::Relaxed) {
        let Ok(mut stream) = TcpStream::connect(address) else {
            return;
        };
        let _ = arrived.send(());
        stream.set_read_timeout(Some(LOOK)).unwrap();
        let _ = stream.write_all(beginning);
        let mut bytes = [0; 1024];
        while !home.load(Ordering::Relaxed) {
            match stream.read(&mut bytes) {
                Ok(0) => break,
                Err(error) if !matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => break,
                _ => {}
            }
        }
    }
}
