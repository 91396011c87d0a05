// SPDX-License-Identifier: GPL-2.0-only
//! What a program may expect of a timeline, as a suite of KUnit: it is to pass here and in Linux.

use kernel::prelude::*;

#[kunit_tests(sw_timeline)]
mod tests {
    use crate::Timeline;
    use dma_fence::Ktime;
    use kernel::prelude::*;

    const OK: Option<Result> = Some(Ok(()));

    #[test]
    fn advancing_signals_what_is_due() -> Result {
        let timeline = Timeline::new(c"due")?;
        let (second, first) = (timeline.fence(2)?, timeline.fence(1)?);
        timeline.advance(1);
        assert_eq!((first.status(), second.status()), (OK, None));
        timeline.advance(1);
        assert_eq!(second.status(), OK);
        assert!(first.timestamp() <= second.timestamp());
        Ok(())
    }

    #[test]
    fn what_is_reached_signals_at_once() -> Result {
        let timeline = Timeline::new(c"late")?;
        timeline.advance(3);
        assert_eq!(timeline.fence(3)?.status(), OK);
        assert_eq!(timeline.fence(4)?.status(), None);
        Ok(())
    }

    #[test]
    fn values_compare_with_wraparound() -> Result {
        let timeline = Timeline::new(c"wrap")?;
        timeline.advance(u32::MAX);
        let next = timeline.fence(0)?;
        assert_eq!(next.status(), None);
        timeline.advance(1);
        assert_eq!((timeline.value(), next.status()), (0, OK));
        Ok(())
    }

    #[test]
    fn closing_ends_what_waits() -> Result {
        let timeline = Timeline::new(c"close")?;
        let fence = timeline.fence(1)?;
        timeline.close();
        assert_eq!(fence.status(), Some(Err(ENOENT)));
        assert!(matches!(timeline.fence(1), Err(ENOENT)));
        Ok(())
    }

    #[test]
    fn the_soonest_deadline_counts() -> Result {
        let timeline = Timeline::new(c"deadline")?;
        let fence = timeline.fence(1)?;
        assert_eq!(timeline.deadline(1), None);
        for ns in [20, 10, 30] {
            fence.set_deadline(Ktime::from_nanos(ns));
        }
        assert_eq!(timeline.deadline(1), Some(Ktime::from_nanos(10)));
        Ok(())
    }
}
