//! PEM: the blocks of a text.

use base64::{Engine as _, engine::general_purpose::STANDARD};

/// One block.
pub(super) struct Block {
    pub(super) label: String,
    pub(super) der: Vec<u8>,
    /// It has the headers with which OpenSSL once encrypted keys.
    pub(super) legacy_encryption: bool,
}

/// All blocks that can be read; whatever stands between them is skipped.
pub(super) fn blocks(text: &str) -> Vec<Block> {
    let mut blocks = Vec::new();
    let mut lines = text.lines().map(str::trim);
    while let Some(line) = lines.next() {
        let Some(label) = line
            .strip_prefix("-----BEGIN ")
            .and_then(|rest| rest.strip_suffix("-----"))
        else {
            continue;
        };
        let mut body = String::new();
        let mut legacy_encryption = false;
        for line in lines.by_ref().take_while(|line| !line.starts_with("-----END ")) {
            if line.contains(':') {
                legacy_encryption |= line.contains("ENCRYPTED");
            } else {
                body.push_str(line);
            }
        }
        // Encrypted bytes are of no use, but the block is there.
        if let Ok(der) = STANDARD.decode(&body) {
            blocks.push(Block {
                label: label.to_owned(),
                der,
                legacy_encryption,
            });
        }
    }
    blocks
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_are_found_between_other_text() {
        let text = "Bag Attributes\n-----BEGIN A-----\nAAEC\r\n-----END A-----\n\n  -----BEGIN B KEY-----\nProc-Type: \
                    4,ENCRYPTED\nDEK-Info: x\n\nAw==\n-----END B KEY-----\n-----BEGIN C-----\n!!\n";
        let blocks = blocks(text);
        let found: Vec<_> = blocks
            .iter()
            .map(|block| {
                (
                    block.label.as_str(),
                    block.der.as_slice(),
                    block.legacy_encryption,
                )
            })
            .collect();
        assert_eq!(found, [("A", [0, 1, 2].as_slice(), false), ("B KEY", &[3], true)]);
    }
}
