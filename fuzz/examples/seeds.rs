//! Writes the seeds of each target into its corpus.

use std::{fs, io, path::Path};

use virmo_fuzz::FuzzTarget;

fn main() -> io::Result<()> {
    for target in FuzzTarget::ALL {
        let corpus = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("corpus")
            .join(target.name);
        fs::create_dir_all(&corpus)?;
        for (number, seed) in target.seeds().iter().enumerate() {
            fs::write(corpus.join(format!("seed-{number}")), seed)?;
        }
    }
    Ok(())
}
