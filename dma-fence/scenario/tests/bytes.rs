// SPDX-License-Identifier: GPL-2.0-only
//! A scenario is any bytes.

use dma_fence_scenario::{compare, replay};
use proptest::prelude::*;

/// Replays bytes, and what came out.
fn holds_for(source: &[u8]) {
    let got = replay(source);
    assert_eq!(got.live, 0);
    assert!(
        got.transcript
            .windows(4)
            .any(|w| w.starts_with(b"end") || w == b"\nend"),
        "a transcript has an end"
    );
    let again = replay(&got.transcript);
    assert_eq!(compare(&got.transcript, &again.transcript), None);
}

/// Words that mean something.
const WORDS: &str = "context fence signal put get callback thread wait interrupt A a b c t 1 -EIO \
                     NULL end # lock lock=a wait_timeout add_callback wait_any_timeout get_stub intr";

/// They, ends of lines, and bytes that mean nothing.
fn word() -> impl Strategy<Value = Vec<u8>> {
    let known = prop::sample::select(WORDS.split(' ').collect::<Vec<_>>());
    prop_oneof![
        14 => known.prop_map(|word| word.as_bytes().to_vec()),
        2 => Just(b"\n".to_vec()),
        2 => prop::collection::vec(any::<u8>(), 0..6),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn random_bytes(source in prop::collection::vec(any::<u8>(), 0..400)) {
        holds_for(&source);
    }

    #[test]
    fn random_words(words in prop::collection::vec(word(), 0..200)) {
        holds_for(&words.join(&b' '));
        // Without the spaces that make observations of lines.
        let mut source = words.join(&b' ');
        while let Some(at) = source.windows(2).position(|pair| pair == b"\n ") {
            source.remove(at + 1);
        }
        holds_for(&source);
    }
}

#[test]
fn odd_sources() {
    for source in [
        &b""[..],
        b"\0",
        b"\n\n",
        b"end",
        b"end\0",
        b"\r\nend\r\n",
        b"\xff\xfe#\n",
    ] {
        holds_for(source);
    }
}

#[test]
fn long_lines() {
    const LENGTH: usize = 10 << 20;
    for piece in [&b"x"[..], b"x ", b"\0", b"# ", b" ", b"pt a\n"] {
        let source: Vec<u8> = piece.iter().copied().cycle().take(LENGTH / 8).collect();
        let got = replay(&source);
        assert_eq!(got.live, 0);
    }
    let got = replay(&vec![b'x'; LENGTH]);
    assert_eq!(got.refusals.len(), 1);
    assert!(got
        .refusals
        .iter()
        .all(|refusal| refusal.message.len() < 200));
}
