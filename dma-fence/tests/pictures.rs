// SPDX-License-Identifier: GPL-2.0-only
//! What points to what in containers: the scenes of Documentation/containers.rst, and their pictures.
//!
//! `FENCE_BLESS=1` writes the pictures into `Documentation/pictures/`.
#![cfg(not(any(loom, miri, tsan)))]

use dma_fence::{
    merge,
    testing::{graph, register, Plain, Seen},
    ArcDriverFence, Complete, DmaResv, DmaResvUsage, Fence, FenceArray, FenceChainAllocation,
    FenceContext, SyncFile,
};
use kernel::{
    prelude::*,
    sync::{aref::ARef, Arc, Completion},
    task::Task,
    testing::{
        memory::fail_nth,
        user::{self, EPOLLIN},
        vcpu,
    },
    workqueue,
};
use std::{env, fs, path::Path, string::String};

/// Compares a picture with the one in the book.
fn shows(name: &str, picture: &str) {
    const SPDX: &str = "// SPDX-License-Identifier: GPL-2.0-only\n";
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../Documentation/pictures");
    let path = directory.join(name).with_extension("dot");
    if env::var_os("FENCE_BLESS").is_some() {
        fs::create_dir_all(directory).unwrap();
        fs::write(&path, String::from(SPDX) + picture).unwrap();
    }
    let shown = fs::read_to_string(&path).unwrap();
    assert_eq!(shown.strip_prefix(SPDX), Some(picture), "{name}");
}

type Timeline = Arc<FenceContext<Plain>>;

fn timeline(name: &'static CStr) -> Result<Timeline> {
    Arc::pin_init(FenceContext::new(1, c"gpu", name, Plain), GFP_KERNEL)
}

fn job(timeline: &Timeline) -> Result<ArcDriverFence<Plain>> {
    Ok(FenceContext::new_arc_fence_allocation(timeline, ())?.new_fence())
}

#[test]
fn array() -> Result {
    let (render, video) = (timeline(c"render")?, timeline(c"video")?);
    let (draw, decode) = (job(&render)?, job(&video)?);
    let frame = FenceArray::new(&[draw.as_fence(), decode.as_fence()])?;

    let done = Arc::pin_init(Completion::new(), GFP_KERNEL)?;
    let flip = register(&frame, Complete::new(done.clone()))?;
    let picture = graph(&[
        ("frame", Seen::Fence(&frame)),
        ("draw", draw.as_fence().into()),
        ("decode", decode.as_fence().into()),
        ("flip", (&*flip).into()),
    ])?;
    shows("array", &picture);

    draw.signal(Ok(()));
    assert_eq!(frame.status(), None);
    decode.signal(Ok(()));
    done.wait_for_completion();
    assert_eq!(frame.status(), Some(Ok(())));
    Ok(())
}

#[test]
fn chain() -> Result {
    let (render, video) = (timeline(c"render")?, timeline(c"video")?);
    let (draw, decode, blend) = (job(&render)?, job(&video)?, job(&render)?);
    let memory = FenceChainAllocation::new;
    let first = memory()?.new_node(None, draw.as_unchained(), 10);
    let second = memory()?.new_node(Some(&first), decode.as_unchained(), 20);
    let last = memory()?.new_node(Some(&second), blend.as_unchained(), 30);
    let names: [(_, Seen<'_>); 4] = [
        ("timeline", Seen::Fence(&last)),
        ("draw", draw.as_fence().into()),
        ("decode", decode.as_fence().into()),
        ("blend", blend.as_fence().into()),
    ];
    // Who waits for point 15 waits for the node behind it, and all before.
    let found = last.find_seqno(15)?.ok_or(ENOENT)?;
    assert!(core::ptr::eq(&*found, &**second));
    drop(found);
    shows("chain", &graph(&names)?);

    drop((first, second));
    decode.signal(Ok(()));
    // The walk takes the node out; that before it stays.
    assert_eq!(last.prev().map(|node| node.seqno()), Some(10));
    shows(
        "chain-collected",
        &graph(&[("timeline", Seen::Fence(&last))])?,
    );
    for job in [draw, blend] {
        job.signal(Ok(()));
    }
    Ok(())
}

#[test]
fn merged() -> Result {
    let (render, video) = (timeline(c"render")?, timeline(c"video")?);
    let (draw, decode, blend) = (job(&render)?, job(&video)?, job(&render)?);
    let frame = FenceArray::new(&[draw.as_fence(), decode.as_fence()])?;
    let point = FenceChainAllocation::new()?.new_node(None, blend.as_unchained(), 1);

    let all = merge(&[&frame, &point])?;
    // Of the timeline "render" the later: the earlier has signalled by then.
    let found: ARef<Fence> = all.unwrap().next().ok_or(ENOENT)?;
    assert!(core::ptr::eq(&*found, blend.as_fence()));
    drop(found);
    let picture = graph(&[
        ("frame", Seen::Fence(&frame)),
        ("point", Seen::Fence(&point)),
        ("all", Seen::Fence(&all)),
    ])?;
    shows("merged", &picture);
    for job in [draw, decode, blend] {
        job.signal(Ok(()));
    }
    Ok(())
}

#[test]
fn resv() -> Result {
    let (render, video) = (timeline(c"render")?, timeline(c"video")?);
    let (draw, encode) = (job(&render)?, job(&video)?);
    let buffer = KBox::pin_init(DmaResv::new(), GFP_KERNEL)?;

    let mut guard = buffer.lock();
    guard
        .reserve_one()?
        .add(draw.as_fence(), DmaResvUsage::Write);
    guard
        .reserve_one()?
        .add(encode.as_fence(), DmaResvUsage::Read);
    drop(guard);
    // The next write waits for both.
    let before = buffer.singleton(DmaResvUsage::rw(true))?.ok_or(ENOENT)?;
    let picture = graph(&[
        ("buffer", (&*buffer).into()),
        ("before a write", Seen::Fence(&before)),
    ])?;
    shows("resv", &picture);
    // The next read for the write alone.
    draw.signal(Ok(()));
    assert!(buffer.is_signaled(DmaResvUsage::rw(false)));
    assert!(!buffer.is_signaled(DmaResvUsage::rw(true)));
    encode.signal(Ok(()));
    Ok(())
}

#[test]
fn sync_file() -> Result {
    let render = timeline(c"render")?;
    let draw = job(&render)?;
    let fd = SyncFile::new(draw.as_fence())?.install()?;
    assert_eq!(user::poll(fd, EPOLLIN, 0)?, 0);
    let file = SyncFile::from_fd(fd)?;
    shows("sync-file", &graph(&[("fd", (&file).into())])?);
    draw.signal(Ok(()));
    assert_eq!(user::poll(fd, EPOLLIN, 0)?, EPOLLIN);
    drop(file);
    user::close(fd)
}

/// Returns the lines of a picture that have these words.
fn lines<'a>(picture: &'a str, words: &'a str) -> impl Iterator<Item = &'a str> {
    picture.lines().filter(move |line| line.contains(words))
}

#[test]
fn who_waits_is_shown() {
    let scene = || {
        let draw = job(&timeline(c"render")?)?;
        let fence = ARef::<Fence>::from(draw.as_fence());
        let waits = fence.clone();
        workqueue::system_unbound().try_spawn(GFP_KERNEL, move || waits.wait())?;
        let done = Arc::pin_init(Completion::new(), GFP_KERNEL)?;
        let registered = register(&fence, Complete::new(done.clone()))?;
        vcpu::settle();
        let own = ARef::<Task>::from(&**kernel::current!());
        let roots = [("draw", Seen::Fence(&fence)), ("I", Seen::Task(&own))];
        let picture = graph(&roots)?;
        // A task that waits for nothing is not there.
        assert_eq!(lines(&picture, "\\ntask").count(), 1, "{picture}");
        assert!(!picture.contains("label=\"I"), "{picture}");
        assert_eq!(
            lines(&picture, "label=\"callback\"").count(),
            1,
            "{picture}"
        );
        assert_eq!(lines(&picture, "f1 -> ").count(), 2, "{picture}");
        assert!(picture.contains("\\npending, wanted\\n"), "{picture}");
        draw.signal(Err(EIO));
        done.wait_for_completion();
        vcpu::settle();
        drop(registered);
        let picture = graph(&roots)?;
        assert_eq!(lines(&picture, "->").count(), 0, "{picture}");
        assert!(picture.contains("\\nerror -5\\n1 reference"), "{picture}");
        Ok::<(), Error>(())
    };
    assert_eq!(vcpu::fifo(scene), Ok(Ok(())));
}

#[test]
fn a_name_cannot_end_its_label() -> Result {
    let stub = Fence::stub();
    let picture = graph(&[("a\"\\\n", Seen::Fence(&stub))])?;
    assert!(picture.contains(r#"f1 [label="a\"\\?\n"#), "{picture}");
    assert!(picture.contains(" stub:0\\nsignalled"), "{picture}");
    Ok(())
}

#[test]
fn without_memory_nothing_is_left() -> Result {
    let render = timeline(c"render")?;
    let (draw, blend) = (job(&render)?, job(&render)?);
    let fences = [draw.as_fence(), blend.as_fence()];
    let array = FenceArray::new(&fences)?;
    let node = FenceChainAllocation::new()?.new_node(Some(&array), draw.as_unchained(), 1);
    let buffer = KBox::pin_init(DmaResv::new(), GFP_KERNEL)?;
    buffer
        .lock()
        .reserve_one()?
        .add(fences[0], DmaResvUsage::Read);
    let done = Arc::pin_init(Completion::new(), GFP_KERNEL)?;
    let _registered = register(&node, Complete::new(done))?;
    let roots = [("node", Seen::Fence(&node)), ("buffer", (&*buffer).into())];
    let counts = || [fences[0], fences[1], &array, &node].map(Fence::references);
    let before = counts();
    for n in 1.. {
        let (picture, failed) = fail_nth(n, || graph(&roots));
        assert_eq!((picture.is_err(), counts()), (failed, before), "{n}");
        if !failed {
            assert!(n > 5, "{n}");
            break;
        }
    }
    for job in [draw, blend] {
        job.signal(Ok(()));
    }
    Ok(())
}
