use proptest::prelude::*;

use crate::{
    bench::Fault,
    sequences::{Deed, NAMES, Trouble, Turn, deeds_keep_the_promises, turns_keep_the_promises},
};

fn deed() -> impl Strategy<Value = Deed> {
    let name = || 0..NAMES.len();
    let operations = [
        "Create", "Create", "Delete", "Suspend", "Resume", "PowerOn", "PowerOff",
    ];
    prop_oneof![
        2 => (name(), name(), any::<bool>())
            .prop_map(|(vm, image, running)| Deed::AddVm { vm, image, running }),
        1 => name().prop_map(|vm| Deed::DeleteNode { vm }),
        8 => (name(), proptest::sample::select(operations.to_vec()))
            .prop_map(|(vm, operation)| Deed::Exec { vm, operation }),
        2 => name().prop_map(|image| Deed::AddImage { image }),
        3 => name().prop_map(|image| Deed::Download { image }),
        1 => (name(), any::<bool>())
            .prop_map(|(image, by_exec)| Deed::DeleteImage { image, by_exec }),
    ]
}

fn trouble() -> impl Strategy<Value = Trouble> {
    let fault = prop_oneof![Just(Fault::Nothing), Just(Fault::Half), Just(Fault::All)];
    prop_oneof![
        10 => Just(Trouble::None),
        2 => Just(Trouble::Restart),
        4 => (0u32..16).prop_map(Trouble::Crash),
        4 => (0usize..4, fault).prop_map(|(call, fault)| Trouble::Fault(call, fault)),
        1 => (0usize..40).prop_map(Trouble::Cut),
        2 => (0i64..3).prop_map(Trouble::Full),
    ]
}

fn turn() -> impl Strategy<Value = Turn> {
    let operations = [
        "Create", "Delete", "Suspend", "Resume", "PowerOn", "PowerOff",
    ];
    let name = || 0..NAMES.len();
    prop_oneof![
        6 => (name(), proptest::sample::select(operations.to_vec()))
            .prop_map(|(vm, operation)| Turn::Begin(vm, operation)),
        1 => name().prop_map(Turn::Download),
        1 => name().prop_map(Turn::DeleteImage),
        1 => Just(Turn::Apply),
        8 => (0usize..4).prop_map(Turn::Work),
        8 => (0usize..4).prop_map(Turn::Report),
        2 => (0usize..4).prop_map(Turn::TimeOut),
        1 => (0usize..4).prop_map(Turn::Lose),
        1 => (0usize..4).prop_map(Turn::Accept),
        1 => Just(Turn::Restart),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn any_sequence_keeps_the_promises(
        deeds in proptest::collection::vec((deed(), trouble()), 1..24),
    ) {
        deeds_keep_the_promises(&deeds);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn jobs_may_end_in_any_order(turns in proptest::collection::vec(turn(), 1..40)) {
        turns_keep_the_promises(&turns);
    }
}
