//! Promise: what the files of a configuration are warned of is said, and said once.

use std::os::unix::fs::PermissionsExt as _;

use o365_simulator::SimulatorConfig;

use crate::support::{Lab, output, stderr};

#[tokio::test]
async fn a_secret_that_others_may_read_is_warned_of_once() {
    let lab = Lab::new(
        SimulatorConfig::demo(3, 1, 10),
        "  out: { type: blackhole, inputs: [ecs] }",
    )
    .await;
    let config = std::fs::read_to_string(lab.path("pipeline.yaml")).unwrap();
    let config = config.replace("${SECRET}", "{ file: secret.txt }");
    std::fs::write(lab.path("pipeline.yaml"), config).unwrap();
    let secret = lab.path("secret.txt");
    std::fs::write(&secret, lab.secret()).unwrap();
    for (mode, expect) in [(0o644, 1), (0o600, 0)] {
        std::fs::set_permissions(&secret, std::fs::Permissions::from_mode(mode)).unwrap();
        for mut command in [lab.run(&["--once"]), lab.command(&["validate"], &[])] {
            let output = output(&mut command).await;
            let said = stderr(&output);
            assert_eq!(output.status.code(), Some(0), "{said}");
            let warned = said.matches("others may read it").count();
            assert_eq!(warned, expect, "{command:?}, mode {mode:o}:\n{said}");
        }
    }
}
