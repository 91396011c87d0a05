// SPDX-License-Identifier: GPL-2.0-only
//! What is refused, where, and in which words.

use dma_fence_scenario::{replay, Refusal, Replay};

/// Replays a scenario, of which nothing may be left. Whatever is refused says what would have been
/// right.
#[track_caller]
fn run(source: &str) -> Replay {
    let got = replay(source.as_bytes());
    assert_eq!(got.live, 0);
    for refusal in &got.refusals {
        assert!(refusal.message.contains("expected "), "{refusal:?}");
    }
    got
}

/// The only refusal of a scenario.
fn refusal(source: &str) -> Refusal {
    let got = run(source);
    match &got.refusals[..] {
        [only] => only.clone(),
        other => panic!("{other:?} in\n{}", String::from_utf8_lossy(&got.transcript)),
    }
}

/// Checks that one command is refused; `expected` is `LINE:COLUMN: ` and words of the message.
#[track_caller]
fn refuses(source: &str, expected: &str) {
    let got = refusal(source);
    let (place, words) = expected.split_once(": ").unwrap();
    assert_eq!(format!("{}:{}", got.line, got.column), place, "{got:?}");
    assert!(got.message.contains(words), "{got:?}");
}

const SETUP: &str = "context A\nlock L\nfence a A 1\nfence b A 2 lock=L\nfence d A 3 lock=L\n";

fn set_up(then: &str) -> String {
    format!("{SETUP}{then}")
}

#[test]
fn words() {
    refuses(
        "sginal a",
        "1:1: no such command: sginal; expected one such as context, fence or signal; \
         did you mean signal?",
    );
    refuses("context  A\nfence a A  x", "2:12: not a number: x");
    refuses("context A A", "1:11: stands here twice");
    refuses("context 1A", "1:9: not a name: 1A");
    refuses("context A NULL", "1:11: not a name: NULL");
    refuses("put", "1:1: expected 1 word behind put: FENCE or NULL");
    refuses("put NULL  b", "1:11: expected 1 word behind put");
    refuses("lock L\nlock L", "2:6: lock L exists");
    refuses("end it all", "1:5: expected 0 words behind end");
    refuses(&"x ".repeat(25), "1:49: too many words");
    refuses(&format!("put {}", "x".repeat(200)), "1:1: 204 bytes");
    refuses("put \u{e4}", "1:5: no fence \\xc3\\xa4");
}

#[test]
fn options() {
    let with = |option: &str| format!("context A\nfence a A 1 release {option}");
    refuses(&with("realease"), "2:21: did you mean release?");
    refuses(&with("wat"), "2:21: no such option: wat; expected one of");
    refuses(
        &with("release=1"),
        "2:21: the option release takes no value: release=1; expected release",
    );
    for option in ["driver=NAME", "timeline=NAME", "lock=LOCK"] {
        let name = option.split('=').next().unwrap_or_default();
        let message = format!("2:21: no value for the option {name}; expected {option}");
        refuses(&with(name), &message);
    }
    refuses(&with("lock=L"), "2:21: no lock L");
    refuses(&with("driver=a=b"), "2:21: not a name behind =: a=b");
    refuses(&with("timeline="), "2:21: not a name behind =");
    refuses(&with("wait=x"), "2:21: not a number: x");
    refuses(&with("signaled=-EOI"), "2:21: did you mean EIO?");
    refuses(
        &with("enable_signaling=1"),
        "2:21: expected false or a negative error",
    );
    // Said twice, the last one counts.
    assert!(run(&with("release driver=x driver=y")).refusals.is_empty());
}

#[test]
fn limits() {
    let many = |count: usize, line: fn(usize) -> String| (1..=count).map(line).collect::<String>();
    let fences = |n| format!("context A\n{}", many(n, |i| format!("fence f{i} A {i}\n")));
    assert!(run(&fences(192)).refusals.is_empty());
    refuses(&fences(193), "194:7: too many fences");
    refuses(&many(9, |i| format!("lock L{i}\n")), "9:6: too many locks");
    refuses(
        &many(49, |i| format!("callback c{i}\n")),
        "49:10: too many callbacks",
    );
    refuses(
        &many(7, |_| "callback c put NULL\n".to_owned()),
        "7:12: too many commands",
    );
    refuses(
        &many(9, |i| format!("thread t{i} wait_any_timeout 1\n")),
        "9:8: too many threads",
    );
    refuses(
        &many(17, |i| {
            let names: String = (0..23).map(|n| format!(" C{i}x{n}")).collect();
            format!("context{names}\n")
        }),
        "17:111: too many names",
    );
}

#[test]
fn references() {
    refuses(&set_up("put a\nput a"), "7:5: fence a is gone");
    refuses(
        &set_up("get_stub s\nput s\nput s"),
        "8:5: holds no reference to s",
    );
    refuses(&set_up("refs x"), "6:6: no fence x");
    refuses(
        &set_up("get_stub s\nrefs s"),
        "7:6: belongs to the whole machine",
    );
    refuses(
        &set_up("get_stub s\nset_error s -1"),
        "7:11: belongs to the whole machine",
    );
    // The last reference while another command names the fence.
    refuses(&set_up("thread t wait a\nput a\nsignal a"), "7:5: in use");
    refuses(
        &set_up("callback c  put a\nadd_callback a c\nsignal a"),
        "6:17: in use",
    );
}

#[test]
fn locks() {
    for command in [
        "signal b",
        "get_status d",
        "is_signaled d",
        "enable_signaling b",
        "check_and_signal d",
        "describe d",
        "set_deadline d 1",
        "later d d",
        "put d",
        "remove_callback b c",
    ] {
        let source = format!("{SETUP}callback c {command}\nadd_callback b c\nsignal b");
        let got = refusal(&source);
        assert_eq!(got.line, 6, "{got:?}");
        assert!(got.message.contains("deadlock: the lock of"), "{got:?}");
    }
    for command in [
        "is_signaled b",
        "describe b",
        "signal_locked d",
        "later b b",
        "signal a",
    ] {
        let source = format!("{SETUP}callback c {command}\nadd_callback b c\nsignal b");
        assert!(run(&source).refusals.is_empty(), "{command}");
    }
}

#[test]
fn reservation_objects() {
    refuses(&set_up("resv_lock R"), "6:11: no reservation object R");
    refuses(
        &set_up("resv R\nresv R"),
        "7:6: reservation object R exists",
    );
    let made = |rest: &str| set_up(&format!("resv R\n{rest}"));
    let locked = |rest: &str| made(&format!("resv_lock R\n{rest}\nresv_unlock R"));
    refuses(
        &made("resv_unlock R"),
        "7:13: reservation object R is not locked",
    );
    refuses(
        &made("resv_reserve_fences R 1"),
        "7:21: reservation object R is not",
    );
    refuses(
        &made("resv_add_fence R a read"),
        "7:16: reservation object R is not",
    );
    refuses(
        &made("resv_for_each_fence R read"),
        "7:21: reservation object R is not",
    );
    refuses(
        &made("resv_test_signaled R reed"),
        "7:22: not a usage: reed",
    );
    refuses(
        &made("resv_copy_fences R R"),
        "7:18: reservation object R is not",
    );
    refuses(
        &made("resv_fini R\nresv_lock R"),
        "8:11: reservation object R is gone",
    );
    refuses(
        &locked("resv_lock R"),
        "8:11: reservation object R is locked",
    );
    refuses(
        &locked("resv_fini R"),
        "8:11: reservation object R is locked",
    );
    refuses(&locked("end"), "8:1: reservation object R is still locked");
    refuses(
        &locked("resv_add_fence R a read"),
        "8:16: no slot is reserved",
    );
    refuses(
        &locked("resv_reserve_fences R 65537"),
        "8:23: too many slots",
    );
    let once = "resv_reserve_fences R 1\nresv_add_fence R a read\nresv_add_fence R a read";
    refuses(&locked(once), "10:16: no slot is reserved");
    let more = "resv_reserve_fences R 1\nresv_add_fence R a read\nresv_unlock R\n";
    let waits = format!("resv_lock R\n{more}thread t resv_wait_timeout R read 9000000\n");
    refuses(
        &made(&format!("{waits}resv_fini R\nsignal a")),
        "12:11: a thread waits for R",
    );
    let waits = format!("resv_lock R\n{more}resv_wait_timeout R read 9223372036854775807");
    refuses(&made(&waits), "11:26: the wait would not end");
    let eight: String = (0..9).map(|n| format!("resv R{n}\n")).collect();
    refuses(&set_up(&eight), "14:6: too many reservation objects");
}

#[test]
fn arrays() {
    refuses(
        &set_up("array x a seqno=y"),
        "6:11: not a number behind =: y",
    );
    refuses(&set_up("array x context=B"), "6:9: no context B");
    refuses(&set_up("array x c"), "6:9: no fence c");
    refuses(&set_up("array a b"), "6:7: fence a exists");
    refuses(&set_up("array x a\nput x\nis_array x"), "8:10: is gone");
    // While the lock of d is held, which has not signalled: in a callback of b.
    let commands = [
        "is_signaled x",
        "get_status x",
        "add_callback x e",
        "unwrap_for_each x",
        "signal x",
        "put x",
    ];
    let in_callback = |of: &str, command: &str| {
        format!(
            "{SETUP}array x a d\nadd_callback a k\n\
             callback c {command}\nadd_callback {of} c\nsignal {of}"
        )
    };
    for command in commands {
        let got = refusal(&in_callback("b", command));
        assert_eq!(got.line, 8, "{got:?}");
        assert!(got.message.contains("deadlock: the lock of"), "{got:?}");
        assert!(
            run(&in_callback("a", command)).refusals.is_empty(),
            "{command}"
        );
    }
    // What asks no member, or takes no lock of one that says no.
    for command in [
        "signal_locked x",
        "is_array x",
        "array_for_each x",
        "get_status_locked x",
        "is_signaled_locked x",
    ] {
        assert!(
            run(&in_callback("b", command)).refusals.is_empty(),
            "{command}"
        );
    }
    // Arrays of arrays: to ask the last would be to ask the first 20 * 20 * 20 * 20 times.
    let nested = |n: usize| format!("array x{n}{}\n", format!(" x{}", n - 1).repeat(20));
    let nested: String = (1..=4).map(nested).collect();
    refuses(
        &format!("context A\nfence x0 A 1\n{nested}"),
        "6:1: too many fences in fences",
    );
}

#[test]
fn chains() {
    refuses(&set_up("chain n NULL NULL 1"), "6:14: no fence NULL");
    refuses(&set_up("chain n x a 1"), "6:9: no fence x");
    refuses(&set_up("chain_prev a"), "6:12: a is not a chain");
    refuses(&set_up("chain_prev_seqno a"), "6:18: a is not a chain");
    // Each has the one before in it twice.
    let doubled = (1..=15).map(|n| format!("chain n{n} n{} n{} 1\n", n - 1, n - 1));
    let doubled: String = doubled.collect();
    refuses(
        &set_up(&format!("chain n0 a a 1\n{doubled}")),
        "21:15: too many fences in fences",
    );
    // Another fence has the lock that is held.
    let walks = [
        "chain_walk n",
        "chain_for_each n",
        "chain_find_seqno n 1",
        "is_signaled n",
        "describe n",
        "put n",
    ];
    for command in walks {
        let callback = format!("callback c {command}\nadd_callback b c\nsignal b");
        let source = set_up(&format!("chain n NULL d 1\n{callback}"));
        let got = refusal(&source);
        assert_eq!(got.line, 7, "{got:?}");
        let message = "deadlock: the lock of d is held here, and it has not signalled";
        assert!(got.message.contains(message), "{got:?}");
        let signalled = set_up(&format!("chain n NULL d 1\nsignal d\n{callback}"));
        assert!(run(&signalled).refusals.is_empty(), "{command}");
    }
}

#[test]
fn what_is_asked_and_says_that_it_is_done() {
    for command in ["get_status_locked m", "is_signaled_locked m"] {
        // An array in a chain, and a member of it whose lock is that of b.
        let source = |complete: &str| {
            set_up(&format!(
                "fence s A 4 lock=L signaled\n{complete}array x a s\nchain n NULL x 1\n\
                 chain m n a 2\ncallback c {command}\nadd_callback b c\nsignal a\nsignal b"
            ))
        };
        let got = refusal(&source("complete s\n"));
        assert!(got.message.contains("the lock of s is held"), "{got:?}");
        assert!(run(&source("")).refusals.is_empty(), "{command}");
    }
}

#[test]
fn callbacks_and_threads() {
    refuses(
        "callback c fence a A 1",
        "1:12: fence cannot run in a callback",
    );
    refuses("callback c sginal a", "1:12: did you mean signal?");
    refuses(
        "callback c wat",
        "1:12: no such command: wat; expected one that can run in a callback, such as get",
    );
    refuses(
        "thread t wat",
        "1:10: no such command: wat; expected one that waits, such as wait",
    );
    refuses(
        "thread t signal NULL",
        "1:10: signal cannot run in a thread",
    );
    refuses(
        &set_up("add_callback a c\nadd_callback b c"),
        "7:16: is pending",
    );
    refuses(
        &set_up("callback c\nremove_callback a c"),
        "7:19: was not added to a",
    );
    refuses(
        &set_up("thread t wait a\nend"),
        "7:1: thread t is still blocked",
    );
    refuses(
        &set_up("thread t wait a\n"),
        "7:1: thread t is still blocked",
    );
    refuses(
        &set_up("thread t wait_any_timeout 1\ninterrupt t"),
        "7:11: has finished",
    );
    refuses(
        &set_up("thread t wait_timeout   a x"),
        "6:27: not a number: x",
    );
}

#[test]
fn waits_without_an_end() {
    const MAX: &str = "9223372036854775807";
    // Nor does an array without members signal.
    for line in [
        format!("array x\nwait_timeout x {MAX}"),
        "wait a".to_owned(),
        format!("wait_timeout a {MAX}"),
        format!("default_wait a {MAX}"),
        "wait_timeout a 9223372036854775806".to_owned(),
        format!("wait_any_timeout {MAX} a b"),
    ] {
        let got = refusal(&format!("{SETUP}{line}"));
        assert_eq!(got.line, 6 + line.matches('\n').count(), "{got:?}");
        assert!(got.message.contains("nothing"), "{got:?}");
    }
    // All these end at once, for one reason or another.
    let ends = format!(
        "{SETUP}\
         fence e A 4 enable_signaling=false\n\
         fence f A 5 enable_signaling=-EIO\n\
         fence g A 6 wait=7\n\
         wait_timeout e {MAX}\n\
         wait_timeout e {MAX}\n\
         wait_any_timeout {MAX} a f\n\
         wait_timeout g {MAX}\n\
         default_wait f {MAX}\n\
         wait_any_timeout {MAX}\n\
         wait_timeout a -1\n\
         default_wait a -1\n\
         wait_timeout a 1000000000\n\
         wait f\n"
    );
    assert!(run(&ends).refusals.is_empty(), "{:?}", run(&ends).refusals);
}

#[test]
fn a_thread_may_wait_forever_and_be_left() {
    let source = format!(
        "{SETUP}thread t wait a\nthread u wait_timeout b 9223372036854775806 intr\n\
         thread v wait_any_timeout 9223372036854775807 a b d"
    );
    refuses(&source, "9:1: still blocked");
}

#[test]
fn a_thread_may_run_out_of_time() {
    let got = run(&set_up("thread t wait_timeout a 5\nwait_timeout b 10\nend"));
    let text = String::from_utf8_lossy(&got.transcript).into_owned();
    assert!(got.refusals.is_empty(), "{text}");
    assert!(text.contains("! thread t = timeout\n"), "{text}");
}

/// 48 callbacks, each of which moves on through three fences and then signals the first fence of
/// the next: 144 callbacks inside each other.
fn deep(start: &str) -> String {
    let mut source = "context A\n".to_owned();
    for i in 0..145 {
        source.push_str(&format!("fence f{i} A {i} signaled\n"));
    }
    for k in 0..48 {
        let [first, second, third, next] = [0, 1, 2, 3].map(|i| 3 * k + i);
        source.push_str(&format!("callback c{k} add_callback f{second} c{k}\n"));
        source.push_str(&format!("callback c{k} signal f{second}\n"));
        source.push_str(&format!("callback c{k} add_callback f{third} c{k}\n"));
        source.push_str(&format!("callback c{k} signal f{third}\n"));
        source.push_str(&format!("callback c{k} signal f{next}\n"));
        source.push_str(&format!("add_callback f{first} c{k}\n"));
    }
    source + start
}

#[test]
fn callbacks_nest_at_top_and_in_threads() {
    for start in [
        "signal f0\n",
        "complete f0\nthread t wait_any_timeout 0 f0\n",
    ] {
        let got = run(&deep(start));
        let text = String::from_utf8_lossy(&got.transcript).into_owned();
        // Each of the 144 ran once, and the last fence was signalled from there.
        assert_eq!(text.matches("! cb c").count(), 144, "{text}");
        assert!(text.contains("~ signaled driver=oracle timeline=A context=A seqno=144"));
        // On the way back each signals again what is under way, which is refused.
        let deadlocks = got
            .refusals
            .iter()
            .filter(|refusal| refusal.message.contains("deadlock"))
            .count();
        assert_eq!(deadlocks, got.refusals.len(), "{:?}", got.refusals);
    }
}
