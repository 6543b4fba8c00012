//! Commands for people who work on this repository: `cargo run --release -p xtask -- peers`, or for
//! short `cargo xtask peers`.

mod peers;
mod program;
mod python;
mod report;

use std::process::ExitCode;

use clap::Parser;

/// Commands for people who work on this repository.
#[derive(Parser)]
#[command(bin_name = "cargo xtask")]
enum Xtask {
    /// Times our programs beside their peers, PyTorch's and Burn's, A B A B, after checking that both
    /// sides compute the same round
    Peers(peers::Options),
}

fn main() -> ExitCode {
    let Xtask::Peers(options) = Xtask::parse();
    match peers::run(&options) {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("error: {message}");
            ExitCode::FAILURE
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_flags_are_consistent() {
        Xtask::command().debug_assert();
    }

    #[test]
    fn an_unknown_name_is_refused_with_those_there_are() {
        let flags = ["xtask", "peers", "--only", "vanilla,gan"];
        let error = Xtask::try_parse_from(flags).err().map(|e| e.to_string());
        let error = error.unwrap_or_default();
        assert!(
            error.contains("'gan'") && error.contains("dcgan-28"),
            "{error}"
        );
        assert!(Xtask::try_parse_from(["xtask", "peers", "--turns", "0"]).is_err());
    }
}
