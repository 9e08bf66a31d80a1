//! `heirloom completions`

use clap::Args;
use clap_complete::Shell;

#[derive(Debug, Args)]
pub(super) struct Completions {
    shell: Shell,
}

pub(super) fn run(asked: &Completions, mut program: clap::Command) {
    let name = program.get_name().to_owned();
    let mut script = Vec::new();
    clap_complete::generate(asked.shell, &mut program, name, &mut script);
    print!("{}", String::from_utf8_lossy(&script));
}
