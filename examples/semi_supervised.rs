//! Learns to name pictures from a hundred labels, with the help of a generator: handwritten digits
//! if nothing else is asked for.
//!
//! ```text
//! cargo run --release --example semi_supervised
//! cargo run --release --example semi_supervised -- --set model.labelled_per_class=2 --seed 1
//! ```

use std::process::ExitCode;

use clap::Parser;
use gan::cli::{self, TrainArgs};
use gan::run::Session;
use gan_models::{Model, SemiSupervisedConfig};

/// Learn to name pictures from a hundred labels, and say how often the result is wrong. Without
/// flags: MNIST, or synthetic digits if there is no MNIST.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    #[command(flatten)]
    train: TrainArgs,
}

fn main() -> ExitCode {
    cli::main(|arguments: Arguments| {
        let mut session: Session<SemiSupervisedConfig> =
            Session::open_at(&arguments.train, "semi_supervised", "semi-supervised")?;
        let model = &session.config().model;
        // The few pictures whose labels are used; the seed says which.
        let labelled = session.labelled(model.labelled_per_class)?;
        let game = model.init(session.config().seed, session.device())?;
        let mut game = game.with_labelled(labelled);
        session.play(&mut game)?;
        // Pictures that nobody was trained on.
        if let Some(held_out) = session.held_out()? {
            let (error, count) = held_out.error_rate(|images| game.classify(images))?;
            session.screen().say(format!(
                "error    {:.2} % of {count} pictures that were held out",
                100.0 * error
            ));
        }
        Ok(())
    })
}
