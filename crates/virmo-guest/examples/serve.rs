//! A guest on a line: `serve /dev/virtio-ports/virmo.dm.0`, `serve /run/dm.sock`, `serve -`.
//!
//! A path that is a Unix socket is connected to; any other is opened for reading and writing, as a
//! serial port whose translations are off. `-` is standard input and output.

use std::{
    error::Error,
    fs::OpenOptions,
    io::{self, Read, Write},
    os::unix::net::UnixStream,
    thread,
    time::Duration,
};

use virmo_guest::{MemoryGuest, Responder};

fn main() -> Result<(), Box<dyn Error>> {
    let path = std::env::args().nth(1).ok_or("usage: serve PATH|-")?;
    if path == "-" {
        return Ok(serve(&mut io::stdin(), &mut io::stdout(), false)?);
    }
    if let Ok(mut stream) = UnixStream::connect(&path) {
        return Ok(serve(&mut stream.try_clone()?, &mut stream, false)?);
    }
    let mut line = OpenOptions::new().read(true).write(true).open(&path)?;
    Ok(serve(&mut line.try_clone()?, &mut line, true)?)
}

/// Answers until the line ends; where `lasting`, an end means that nobody is there at the moment.
fn serve(input: &mut dyn Read, output: &mut dyn Write, lasting: bool) -> io::Result<()> {
    let mut guest = Responder::new(MemoryGuest::new());
    let mut octets = [0; 4096];
    let mut reply = Vec::new();
    loop {
        let count = match input.read(&mut octets) {
            Ok(0) if lasting => {
                thread::sleep(Duration::from_millis(200));
                continue;
            }
            Ok(0) => return Ok(()),
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        reply.clear();
        guest.receive(octets.get(..count).unwrap_or_default(), &mut reply);
        output.write_all(&reply)?;
        output.flush()?;
    }
}
