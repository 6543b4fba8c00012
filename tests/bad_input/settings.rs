//! Flags and configuration files of a training.

use super::checks::Checks;

#[test]
fn flags() {
    let mut checks = Checks::new();
    for (flags, words) in [
        ("--preset nope", ["--preset", "nope", "vanilla"]),
        ("--batch 0", ["--batch", "'0'", "1 to"]),
        ("--batch 1.5", ["--batch", "1.5", "whole number"]),
        ("--batch 99999999999999999999", ["--batch", "9999", "1 to"]),
        ("--kimg -5", ["--kimg", "-5", "above 0"]),
        ("--kimg 0", ["--kimg", "0", "above 0"]),
        ("--kimg NaN", ["--kimg", "NaN", "above 0"]),
        ("--kimg inf", ["--kimg", "inf", "above 0"]),
        ("--kimg", ["--kimg", "value", "required"]),
        ("--seed -1", ["--seed", "-1", "whole number"]),
        ("--every -2", ["--every", "-2", "0 or more"]),
        ("--backend tpu", ["--backend", "tpu", "flex"]),
        ("--bogus", ["--bogus", "unexpected", "--help"]),
        (
            "--resume runs/00099-nothing",
            ["--resume", "00099-nothing", "not a run"],
        ),
        ("--resume --out nowhere", ["--resume", "nowhere", "no run"]),
        (
            "--set model.gan.los=hinge",
            ["--set", "los", "critic_steps"],
        ),
        (
            "--set model.gan.loss=hing",
            ["--set", "hing", "wasserstein"],
        ),
        (
            "--set model.gan.critic_steps=0",
            ["--set", "critic_steps", "1 or more"],
        ),
        (
            "--set model.gan.critic_steps=3",
            ["--set", "critic_steps", "multiple"],
        ),
        (
            "--set model.gan.generator_optimizer.lr=-1",
            ["--set", "lr", "above 0"],
        ),
        (
            "--set model.gan.generator_optimizer.lr=NaN",
            ["--set", "NaN", "a number"],
        ),
        (
            "--set model.gan.latent.size=7",
            ["--set", "latent.size", "100"],
        ),
        (
            "--set model.batch_size=many",
            ["--set", "many", "a whole number"],
        ),
        (
            "--set train.log_kimg=-1",
            ["--set", "train.log_kimg", "0 for never"],
        ),
        (
            "--set train.keep_checkpoints=0",
            ["--set", "keep_checkpoints", "1 or more"],
        ),
        (
            "--set model.preset=foo",
            ["--set model.preset=foo", "--preset NAME", "chosen"],
        ),
        (
            "--set model.generator.widths=[1000000,1000000]",
            ["--set model.generator.widths", "parameters", "machine"],
        ),
        (
            "--dry-run --set model.critic.widths=[1000000,1000000]",
            ["--set model.critic.widths", "parameters", "machine"],
        ),
        (
            "--set model.generator.widths=[1000000000]",
            ["--set", "model.generator.widths", "1048576"],
        ),
        (
            "--set model.generator.latent_size=1000000000 --set model.gan.latent.size=1000000000",
            ["--set", "latent_size", "1048576"],
        ),
        (
            "--preset dcgan --set model.generator.widths=[1000000,1000000]",
            ["--set", "model.generator", "machine"],
        ),
        ("--set data.size=30", ["data.size", "30", "power of two"]),
        ("--set data.channels=9", ["data.channels", "9", "4"]),
        (
            "--set data.flip_probability=2",
            ["--set", "flip_probability", "0 to 1"],
        ),
        (
            "--set train.guard.window",
            ["--set", "train.guard.window", "key=value"],
        ),
        (
            "--config missing.json",
            ["--config", "missing.json", "check the path"],
        ),
    ] {
        let flags: Vec<&str> = flags.split(' ').collect();
        let mut all = vec!["--data", "synthetic", "--quiet"];
        if !flags.contains(&"--preset") {
            // The same flag twice would be another mistake.
            all.extend(["--preset", "vanilla"]);
        }
        all.extend(flags);
        checks.refused("mnist_gan", &all, &words);
    }
    let unknown_backend = if cfg!(feature = "cuda") {
        "opencl"
    } else {
        "cuda"
    };
    checks.train(
        &["--backend", unknown_backend],
        &["--backend", "compiled in"],
    );
    checks.done(37);
}

#[test]
fn configuration_files() {
    let mut checks = Checks::new();
    for (name, text, word) in [
        ("comma.json", r#"{"seed": 1,}"#, "not valid JSON"),
        (
            "nan.json",
            r#"{"model": {"total_kimg": NaN}}"#,
            "not valid JSON",
        ),
        (
            "huge.json",
            r#"{"model": {"total_kimg": 1e999}}"#,
            "not valid JSON",
        ),
        ("empty.json", "", "not valid JSON"),
        ("list.json", "[1, 2]", "no JSON object"),
        ("key.json", r#"{"sede": 1}"#, "sede"),
        (
            "deep.json",
            r#"{"model": {"gan": {"losss": "hinge"}}}"#,
            "model.gan.losss",
        ),
        ("type.json", r#"{"seed": "one"}"#, "seed"),
        (
            "negative.json",
            r#"{"model": {"batch_size": -4}}"#,
            "batch_size",
        ),
        (
            "lr.json",
            r#"{"model": {"gan": {"critic_optimizer": {"lr": 0}}}}"#,
            "critic_optimizer.lr",
        ),
        (
            "preset.json",
            r#"{"model": {"preset": "foo"}}"#,
            "no preset `foo`",
        ),
        (
            "other.json",
            r#"{"model": {"preset": "dcgan"}}"#,
            "--preset vanilla",
        ),
        (
            "kind.json",
            r#"{"model": {"gan": {"critic_optimizer": {"kind": "adagrad", "lr": 1}}}}"#,
            "adagrad",
        ),
    ] {
        let path = checks.file(name, text.as_bytes());
        let flags = [
            "--preset",
            "vanilla",
            "--data",
            "synthetic",
            "--config",
            path.to_str().unwrap(),
        ];
        checks.refused("mnist_gan", &flags, &["--config", name, word]);
    }
    let path = checks.file("binary.json", &[0xff, 0xfe, 0]);
    checks.train(
        &["--config", path.to_str().unwrap()],
        &["--config", "binary.json"],
    );
    checks.done(14);
}
