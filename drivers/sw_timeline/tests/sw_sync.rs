// SPDX-License-Identifier: GPL-2.0-only
//! The file `sw_sync`, and `sync/info`, as programs use them.

#![forbid(unsafe_code)]

use dma_fence::{
    bindings::{sync_file_info, sync_merge_data, SYNC_IOC_MERGE},
    testing::sync::{call, file_info, merge, set_deadline},
    SyncFile,
};
use kernel::{
    ioctl::_IOW,
    prelude::*,
    testing::{
        insmod,
        memory::{each_allocation_fails, fail_nth},
        user::{self, UserMemory, EPOLLIN},
        vcpu,
    },
};
#[cfg(feature = "debug")]
use kernel::{
    sync::{Arc, Completion},
    testing::{explore, spawn},
};
use std::{
    string::String,
    sync::{Mutex, MutexGuard, PoisonError},
    vec::Vec,
};
use sw_timeline::{
    CreateFenceData, GetDeadline, SwTimeline, SW_SYNC_GET_DEADLINE, SW_SYNC_IOC_CREATE_FENCE,
    SW_SYNC_IOC_INC,
};

/// A module is loaded once in a process: one test has it at a time.
fn the_driver() -> MutexGuard<'static, ()> {
    static DRIVER: Mutex<()> = Mutex::new(());
    DRIVER.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Runs `body` in a machine of its own that has the driver; what is left when that ends is reported.
#[track_caller]
fn alone(body: impl FnOnce() -> Result + Send + 'static) {
    let _driver = the_driver();
    let end = vcpu::fifo(|| {
        let driver = insmod::<SwTimeline>()?;
        body()?;
        drop(driver);
        Ok::<_, Error>(())
    });
    assert_eq!(end, Ok(Ok(())));
}

fn open() -> Result<u32> {
    user::open(c"/dev/sw_sync")
}

fn create(timeline: u32, value: u32) -> Result<u32> {
    let mut data: CreateFenceData = [0; 40];
    data[..4].copy_from_slice(&value.to_ne_bytes());
    user::ioctl_with(timeline, SW_SYNC_IOC_CREATE_FENCE, &mut data)?;
    Ok(u32::from_ne_bytes(*data[36..].first_chunk().unwrap()))
}

fn inc(timeline: u32, by: u32) -> Result {
    user::ioctl_with(timeline, SW_SYNC_IOC_INC, &mut by.to_ne_bytes()).map(|_| ())
}

fn deadline(timeline: u32, ns: u64, pad: u32, fd: u32) -> Result<u64> {
    let mut data: GetDeadline = [0; 16];
    data[..8].copy_from_slice(&ns.to_ne_bytes());
    data[8..12].copy_from_slice(&pad.to_ne_bytes());
    data[12..].copy_from_slice(&fd.to_ne_bytes());
    user::ioctl_with(timeline, SW_SYNC_GET_DEADLINE, &mut data)?;
    Ok(u64::from_ne_bytes(*data[..8].first_chunk().unwrap()))
}

fn status(fd: u32) -> Result<i32> {
    Ok(file_info(fd, 0)?.0.status)
}

/// `sync/info`, with the seconds and nanoseconds of each time as letters.
fn info() -> Result<String> {
    let text = user::read_file(c"/sys/kernel/debug/sync/info")?;
    let text = String::from_utf8(text.to_vec()).unwrap();
    let mut out = String::new();
    for line in text.split_inclusive('\n') {
        match line.split_once('@').and_then(|(head, rest)| {
            let (time, rest) = rest.split_once(':')?;
            let (seconds, ns) = time.split_once('.')?;
            assert!(seconds.parse::<u64>().is_ok() && ns.len() == 9, "{line}");
            Some((head, rest))
        }) {
            Some((head, rest)) => out += &format!("{head}@S.N:{rest}"),
            None => out += line,
        }
    }
    Ok(out)
}

#[test]
fn the_calls_have_the_kernels_numbers() {
    assert_eq!(
        [
            SW_SYNC_IOC_CREATE_FENCE,
            SW_SYNC_IOC_INC,
            SW_SYNC_GET_DEADLINE
        ],
        [0xc028_5700, 0x4004_5701, 0xc010_5702]
    );
}

#[test]
fn a_fence_signals_at_its_value() {
    alone(|| {
        let timeline = open()?;
        let fences = [create(timeline, 1)?, create(timeline, 2)?];
        assert_eq!(user::poll(fences[0], EPOLLIN, 0), Ok(0));
        inc(timeline, 1)?;
        assert_eq!(user::poll(fences[0], EPOLLIN, 0), Ok(EPOLLIN));
        assert_eq!(user::poll(fences[1], EPOLLIN, 0), Ok(0));
        let (file, each) = file_info(fences[1], 1)?;
        assert_eq!((file.status, file.num_fences), (0, 1));
        assert!(each[0].driver_name.starts_with(b"sw_sync\0"));
        assert!(each[0].obj_name[0] != 0);
        assert!(file.name.starts_with(b"sw_sync-"));
        // What the value has reached has signalled from the beginning.
        let late = create(timeline, 1)?;
        assert_eq!(status(late), Ok(1));
        // An increment above the largest step jumps over nothing.
        inc(timeline, u32::MAX)?;
        assert_eq!(status(fences[1]), Ok(1));
        [fences[0], fences[1], late, timeline]
            .into_iter()
            .try_for_each(user::close)
    });
}

#[test]
fn closing_a_timeline_signals_what_is_left() {
    alone(|| {
        let timeline = open()?;
        let fences = [create(timeline, 1)?, create(timeline, 2)?];
        inc(timeline, 1)?;
        user::close(timeline)?;
        assert_eq!(status(fences[0]), Ok(1));
        assert_eq!(status(fences[1]), Ok(ENOENT.to_errno()));
        fences.into_iter().try_for_each(user::close)
    });
}

#[test]
fn one_value_has_one_fence() {
    alone(|| {
        let timeline = open()?;
        let same = [create(timeline, 3)?, create(timeline, 3)?];
        let [one, other] = same.map(|fd| SyncFile::get_fence(fd).unwrap());
        assert!(core::ptr::eq(&*one, &*other));
        drop((one, other));
        // Both have its deadline; a new one, once those are gone, has none.
        set_deadline(same[0], 30)?;
        set_deadline(same[1], 20)?;
        set_deadline(same[0], 40)?;
        assert_eq!(deadline(timeline, 0, 0, same[0]), Ok(20));
        same.into_iter().try_for_each(user::close)?;
        let new = create(timeline, 3)?;
        assert_eq!(deadline(timeline, 0, 0, new), Err(ENOENT));
        user::close(new)?;
        user::close(timeline)
    });
}

#[test]
fn the_deadline_is_that_of_any_timelines_fence() {
    alone(|| {
        let (timeline, other) = (open()?, open()?);
        let fence = create(timeline, 1)?;
        let far = create(other, 1)?;
        assert_eq!(deadline(other, 0, 0, fence), Err(ENOENT));
        set_deadline(fence, 7)?;
        assert_eq!(deadline(other, 0, 0, fence), Ok(7));
        // It is remembered after the signal, and after the timeline.
        inc(timeline, 1)?;
        assert_eq!(deadline(other, 0, 0, fence), Ok(7));
        user::close(timeline)?;
        assert_eq!(deadline(other, 0, 0, fence), Ok(7));
        // A merged file has the later of two; one with two fences is none of a timeline's.
        let later = create(other, 2)?;
        let merged = merge(c"merged", far, later)?;
        set_deadline(merged, 5)?;
        assert_eq!(deadline(other, 0, 0, later), Ok(5));
        assert_eq!(deadline(other, 0, 0, merged), Ok(5));
        assert_eq!(deadline(other, 0, 0, far), Err(ENOENT));
        let third = open()?;
        let (last, both) = (create(third, 1)?, create(third, 2)?);
        let both = (merge(c"both", both, far)?, both);
        set_deadline(both.0, 3)?;
        assert_eq!(deadline(other, 0, 0, both.0), Err(EINVAL));
        assert_eq!(deadline(other, 0, 0, far), Ok(3));
        assert_eq!(deadline(other, 0, 0, both.1), Ok(3));
        assert_eq!(deadline(other, 1, 0, fence), Err(EINVAL));
        assert_eq!(deadline(other, 0, 1, fence), Err(EINVAL));
        assert_eq!(deadline(other, 0, 0, other), Err(EINVAL));
        assert_eq!(deadline(other, 0, 0, 1000), Err(EINVAL));
        let stub = SyncFile::new(&dma_fence::Fence::stub())?.install()?;
        assert_eq!(deadline(other, 0, 0, stub), Err(EINVAL));
        [
            fence, far, later, merged, last, both.0, both.1, stub, other, third,
        ]
        .into_iter()
        .try_for_each(user::close)
    });
}

#[test]
fn each_mistake_has_its_errno() {
    alone(|| {
        let timeline = open()?;
        for cmd in [
            SW_SYNC_IOC_CREATE_FENCE,
            SW_SYNC_IOC_INC,
            SW_SYNC_GET_DEADLINE,
        ] {
            assert_eq!(user::ioctl(timeline, cmd, 64), Err(EFAULT));
        }
        assert_eq!(
            user::ioctl(timeline, SW_SYNC_GET_DEADLINE + 1, 64),
            Err(ENOTTY)
        );
        // What cannot be written back leaves no descriptor and no fence behind.
        let memory = UserMemory::constant(&[0; 40])?;
        let result = user::ioctl(timeline, SW_SYNC_IOC_CREATE_FENCE, memory.addr());
        assert_eq!(result, Err(EFAULT));
        let limit = user::set_descriptor_limit(4);
        assert_eq!(create(timeline, 1), Err(EMFILE));
        user::set_descriptor_limit(limit);
        assert_eq!(create(timeline, 1), Ok(4));
        assert_eq!(user::poll(timeline, EPOLLIN, 0), Ok(EPOLLIN));
        user::close(4)?;
        user::close(timeline)
    });
}

/// The text, line by line, as `sync_debug.c` prints it.
#[test]
fn sync_info_is_as_the_kernel_prints_it() {
    const EMPTY: &str = "objs:\n--------------\nfences:\n--------------\n";
    alone(|| {
        assert_eq!(info()?, EMPTY);
        let one = open()?;
        let name = name_of(one)?;
        let shown = |objs: &str| {
            format!("objs:\n--------------\n{objs}fences:\n--------------\n").replace("NAME", &name)
        };
        assert_eq!(info()?, shown("NAME: 0\n\n"));
        let fences = [create(one, 4)?, create(one, 3)?, create(one, 7)?];
        assert_eq!(
            info()?,
            shown(
                "NAME: 0\n  fence active: 3 / 0\n  fence active: 4 / 0\n  fence active: 7 / 0\n\n"
            )
        );
        inc(one, 3)?;
        assert_eq!(
            info()?,
            shown("NAME: 3\n  fence active: 4 / 3\n  fence active: 7 / 3\n\n")
        );
        // One that no one has any more is not shown.
        user::close(fences[0])?;
        assert_eq!(info()?, shown("NAME: 3\n  fence active: 7 / 3\n\n"));
        let other = open()?;
        inc(other, u32::MAX)?;
        assert_eq!(
            info()?,
            shown("NAME: 3\n  fence active: 7 / 3\n\nNAME: -1\n\n")
        );
        user::close(other)?;
        // A closed timeline is shown as long as one of its fences is in use.
        user::close(one)?;
        assert_eq!(info()?, shown("NAME: 3\n  fence error@S.N: 7 / 3\n\n"));
        user::close(fences[2])?;
        assert_eq!(info()?, shown("NAME: 3\n\n"));
        user::close(fences[1])?;
        assert_eq!(info()?, EMPTY);
        Ok(())
    });
}

/// The name of a timeline.
fn name_of(timeline: u32) -> Result<String> {
    let fd = create(timeline, 1)?;
    let name = file_info(fd, 1)?.1[0].obj_name;
    user::close(fd)?;
    let end = name.iter().position(|&byte| byte == 0).unwrap();
    Ok(String::from_utf8(name[..end].to_vec()).unwrap())
}

#[test]
fn a_timeline_has_the_name_of_the_task_that_opens_it() {
    let _driver = the_driver();
    let driver = insmod::<SwTimeline>();
    let named = std::thread::Builder::new().name("a-program-with-a-long-name".into());
    let name = named.spawn(|| {
        let timeline = open().unwrap();
        let name = name_of(timeline).unwrap();
        user::close(timeline).unwrap();
        name
    });
    assert_eq!(name.unwrap().join().unwrap(), "a-program-with-");
    drop(driver);
}

#[test]
fn merging_keeps_the_latest_of_each_timeline() {
    alone(|| {
        let (one, other) = (open()?, open()?);
        let fences = [create(one, 1)?, create(one, 5)?, create(other, 2)?];
        let same = merge(c"same", fences[0], fences[1])?;
        assert_eq!(file_info(same, 0)?.0.num_fences, 1);
        let both = merge(
            c"a name that is much longer than there is room",
            same,
            fences[2],
        )?;
        let (file, each) = file_info(both, 2)?;
        assert_eq!((file.status, file.num_fences, each.len()), (0, 2, 2));
        assert_eq!(&file.name, b"a name that is much longer than\0");
        // One that has signalled is still told of.
        inc(other, 2)?;
        let (file, each) = file_info(both, 2)?;
        let mut statuses: Vec<i32> = each.iter().map(|fence| fence.status).collect();
        statuses.sort();
        assert_eq!((file.status, file.num_fences, statuses), (0, 2, vec![0, 1]));
        inc(one, 5)?;
        assert_eq!(file_info(both, 2)?.0.status, 1);
        // Of files that have all signalled, one fence is left, which has as well.
        let last = merge(c"last", fences[1], fences[2])?;
        let (file, each) = file_info(last, 1)?;
        assert_eq!((file.status, file.num_fences, each[0].status), (1, 1, 1));
        let latest = fences[1..]
            .iter()
            .map(|&fd| file_info(fd, 1).unwrap().1[0].timestamp_ns);
        assert_eq!(Some(each[0].timestamp_ns), latest.max());
        for fd in [same, both, last, one, other] {
            user::close(fd)?;
        }
        fences.into_iter().try_for_each(user::close)
    });
}

/// Each allocation fails in turn: the error comes back, and nothing is left behind.
#[test]
fn each_allocation_may_fail() {
    let fails = |nth| {
        move || {
            let driver = insmod::<SwTimeline>()?;
            let (result, reached) = fail_nth(nth, || -> Result {
                let timeline = open()?;
                let mut fds = vec![timeline];
                let all = (|| {
                    for value in [2, 1] {
                        fds.push(create(timeline, value)?);
                    }
                    fds.push(merge(c"both", fds[1], fds[2])?);
                    inc(timeline, 1)?;
                    file_info(fds[3], 2)?;
                    info().map(|_| ())
                })();
                fds.into_iter().for_each(|fd| user::close(fd).unwrap());
                all
            });
            drop(driver);
            Ok::<_, Error>((result, reached))
        }
    };
    let _driver = the_driver();
    each_allocation_fails(20, fails);
}

/// What a program has written that made these calls on Linux 7.3, with the kernel's `sw_sync.c`: what
/// each returns, and `sync/info` in between.
const RECORDED: &str = include_str!("sw_sync.expect");

/// The program.
struct Program(String);

impl Program {
    fn say(&mut self, line: core::fmt::Arguments<'_>) {
        self.0 += &format!("{line}\n");
    }

    fn info(&mut self) -> Result {
        self.0 += &format!("== sync/info\n{}==end\n", info()?);
        Ok(())
    }

    /// The state of a file; with a `room` that is too small the argument stays as it was.
    fn file(&mut self, name: &str, fd: u32, room: u32) {
        let text = |bytes: &[u8]| -> String {
            let bytes = bytes.iter().take_while(|&&byte| byte != 0);
            bytes.map(|&byte| char::from(byte)).collect()
        };
        let (result, file, each) = match file_info(fd, room) {
            Ok((file, each)) => (0, file, each),
            Err(error) => {
                let file = sync_file_info {
                    num_fences: room,
                    ..Default::default()
                };
                (error.to_errno(), file, KVec::new())
            }
        };
        let mut line = format!(
            "info {name}: {result} name={} status={} n={}",
            context(&text(&file.name)),
            file.status,
            file.num_fences
        );
        for fence in &each {
            line += &format!(
                " [{} {} {} {}]",
                text(&fence.obj_name),
                text(&fence.driver_name),
                fence.status,
                u8::from(fence.timestamp_ns != 0)
            );
        }
        if result != 0 {
            line += " [  0 0]";
        }
        self.say(format_args!("{line}"));
    }
}

/// A file's name, with the number of the context as a letter.
fn context(name: &str) -> String {
    match name.strip_prefix("sw_sync-NAME") {
        Some(rest) => format!("sw_sync-NAMEc{}", &rest[rest.find('-').unwrap_or(0)..]),
        None => name.into(),
    }
}

/// A result as C has it.
fn number(result: Result<u64>) -> i64 {
    result.map_or_else(|error| error.to_errno().into(), |n| n as i64)
}

fn program() -> Result<String> {
    let mut p = Program(String::new());
    let dl = |fd, of| number(deadline(fd, 0, 0, of));
    p.info()?;
    let one = open()?;
    p.info()?;
    let [a, b, c] = [create(one, 4)?, create(one, 3)?, create(one, 7)?];
    p.info()?;
    inc(one, 3)?;
    p.info()?;
    user::close(a)?;
    p.info()?;
    let other = open()?;
    inc(other, u32::MAX)?;
    p.info()?;
    user::close(other)?;
    user::close(one)?;
    p.info()?;
    user::close(c)?;
    p.info()?;
    user::close(b)?;
    p.info()?;

    let (t, q) = (open()?, open()?);
    let (x, far) = (create(t, 1)?, create(q, 1)?);
    p.say(format_args!("dl {}", dl(q, x)));
    set_deadline(x, 7)?;
    p.say(format_args!("dl {}", dl(q, x)));
    inc(t, 1)?;
    p.say(format_args!("dl after signal {}", dl(q, x)));
    user::close(t)?;
    p.say(format_args!("dl after close {}", dl(q, x)));
    let later = create(q, 2)?;
    let merged = merge(c"merged", far, later)?;
    set_deadline(merged, 5)?;
    p.say(format_args!(
        "later {} merged {} far {}",
        dl(q, later),
        dl(q, merged),
        dl(q, far)
    ));
    let third = open()?;
    let (last, y) = (create(third, 1)?, create(third, 2)?);
    let both = merge(c"both", y, far)?;
    set_deadline(both, 3)?;
    p.say(format_args!(
        "both {} far {} y {}",
        dl(q, both),
        dl(q, far),
        dl(q, y)
    ));
    p.say(format_args!(
        "bad ns {} pad {} notfile {} nofd {}",
        number(deadline(q, 1, 0, x)),
        number(deadline(q, 0, 1, x)),
        dl(q, q),
        dl(q, 1000)
    ));
    p.file("both", both, 8);
    p.file("both0", both, 0);
    p.file("both1", both, 1);
    p.file("x", x, 1);
    p.file("y", y, 1);
    let poll = |fd| user::poll(fd, EPOLLIN, 0);
    p.say(format_args!(
        "poll tl {} sf {} x {}",
        poll(q)?,
        poll(y)?,
        poll(x)?
    ));
    let same = create(third, 2)?;
    set_deadline(same, 9)?;
    [y, same, both].into_iter().try_for_each(user::close)?;
    let new = create(third, 2)?;
    p.say(format_args!("new dl {}", dl(q, new)));
    p.info()?;

    let errno = |result: Result| result.map_or_else(|error| error.to_errno(), |()| 0);
    let mut data = sync_merge_data {
        fd2: new.cast_signed(),
        flags: 1,
        ..Default::default()
    };
    p.say(format_args!(
        "flags {}",
        errno(call(new, SYNC_IOC_MERGE, &mut data))
    ));
    (data.flags, data.pad) = (0, 1);
    p.say(format_args!(
        "pad {}",
        errno(call(new, SYNC_IOC_MERGE, &mut data))
    ));
    p.say(format_args!(
        "merge badfd {} tlfd {} efault {}",
        errno(merge(c"x", new, 1000).map(|_| ())),
        errno(merge(c"x", new, q).map(|_| ())),
        errno(user::ioctl(new, SYNC_IOC_MERGE, 8).map(|_| ()))
    ));
    (data.pad, data.name) = (0, [b'x'; 32]);
    p.say(format_args!(
        "long {}",
        errno(call(new, SYNC_IOC_MERGE, &mut data))
    ));
    let long = data.fence.cast_unsigned();
    p.file("long", long, 1);
    let other_cmd = |fd, ty| errno(user::ioctl(fd, _IOW::<u32>(ty, 9), 8).map(|_| ()));
    p.say(format_args!(
        "ENOTTY sf {} tl {} inc efault {}",
        other_cmd(new, b'>'.into()),
        other_cmd(q, b'W'.into()),
        errno(user::ioctl(q, SW_SYNC_IOC_INC, 8).map(|_| ()))
    ));

    inc(third, 5)?;
    inc(q, 5)?;
    p.file("far", far, 1);
    let stub = merge(c"stub", far, last)?;
    p.file("stub", stub, 8);
    for fd in [x, far, later, merged, last, new, long, stub, q, third] {
        user::close(fd)?;
    }
    Ok(p.0)
}

#[test]
fn linux_says_the_same() {
    let _driver = the_driver();
    let driver = insmod::<SwTimeline>();
    let named = std::thread::Builder::new().name("NAME".into());
    let said = named.spawn(program).unwrap().join().unwrap();
    assert_eq!(said.as_deref(), Ok(RECORDED));
    drop(driver);
}

/// Programs make fences, advance and close a timeline, and read of it, in any order.
#[cfg(feature = "debug")]
#[test]
fn programs_may_do_all_at_once() {
    let _driver = the_driver();
    explore(|| {
        let driver = insmod::<SwTimeline>().unwrap();
        let timeline = open().unwrap();
        let task = |body: fn(u32)| {
            let done = Arc::pin_init(Completion::new(), GFP_KERNEL).unwrap();
            let its = done.clone();
            spawn(move || {
                body(timeline);
                its.complete_all();
            });
            done
        };
        // The timeline may have been closed.
        let tasks = [
            task(|timeline| {
                if let Ok(fence) = create(timeline, 1) {
                    assert!(matches!(status(fence), Ok(0 | 1) | Ok(-2)));
                    user::close(fence).unwrap();
                }
            }),
            task(|timeline| {
                let _ = inc(timeline, 1);
            }),
            task(|_| assert!(info().unwrap().starts_with("objs:\n"))),
            task(|timeline| user::close(timeline).unwrap()),
        ];
        for done in tasks {
            done.wait_for_completion();
        }
        assert_eq!(
            info().unwrap(),
            "objs:\n--------------\nfences:\n--------------\n"
        );
        drop(driver);
    });
}
