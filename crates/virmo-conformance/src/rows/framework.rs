//! Seed 002, clause 7: states and primitives.

use crate::device;

rows! {
    Approved:
    "VR-057" Stmt "B" "7.1"
        "only the primitives change the state" by by!(device::ONLY_PRIMITIVES_CHANGE_THE_STATE);
    "VR-058" Must "C" "7.1"
        "a change of state is whole or not at all" by by!(device::FAILURES_ARE_UNDONE);
    "VR-059" Must "C" "7.1" "what failed is reversed" by by!(device::FAILURES_ARE_UNDONE);
    "VR-060" Must "C" "7.1"
        "after a failure the state is the one before" by by!(device::FAILURES_ARE_UNDONE);
    "VR-061" Stmt "C" "7.1.1"
        "NotCreated: not there yet, to be configured before" by by!(device::A_VM_LIVES);
    "VR-062" Must "C" "7.1.1" "NotCreated is supported" by by!(device::A_VM_LIVES);
    "VR-063" Stmt "C" "7.1.2"
        "Created is Running, Suspended and PoweredOff"
        by by!(device::ONLY_PRIMITIVES_CHANGE_THE_STATE);
    "VR-064" Stmt "C" "7.1.2.1"
        "Running: there and running with its resources" by by!(device::MACHINES_FOLLOW);
    "VR-065" Must "C" "7.1.2.1" "Running is supported" by by!(device::A_VM_LIVES);
    "VR-066" Stmt "C" "7.1.2.2"
        "Suspended: there, and stopped" by by!(device::A_SUSPENDED_VM_KEEPS_ITS_EXECUTION);
    "VR-067" MustNot "C" "7.1.2.2"
        "nothing runs in a suspended VM" by by!(device::A_SUSPENDED_VM_KEEPS_ITS_EXECUTION);
    "VR-068" Stmt "C" "7.1.2.2"
        "a suspended VM has its execution saved" by by!(device::A_SUSPENDED_VM_KEEPS_ITS_EXECUTION);
    "VR-069" Stmt "C" "7.1.2.2"
        "the resources of a suspended VM may be given away"
        by by!(device::A_SUSPENDED_VM_KEEPS_ITS_EXECUTION);
    "VR-070" Must "C" "7.1.2.2"
        "what was given away is allocated again" by by!(device::A_SUSPENDED_VM_KEEPS_ITS_EXECUTION);
    "VR-071" Should "C" "7.1.2.2" "Suspended is supported" by by!(device::A_VM_LIVES);
    "VR-072" Stmt "C" "7.1.2.3"
        "PoweredOff: there, and everything in it ended" by by!(device::A_VM_POWERED_OFF_BOOTS_ANEW);
    "VR-073" Stmt "C" "7.1.2.3"
        "it runs again by a boot" by by!(device::A_VM_POWERED_OFF_BOOTS_ANEW);
    "VR-074" Must "C" "7.1.2.3" "PoweredOff is supported" by by!(device::A_VM_LIVES);
    "VR-075" Stmt "C" "7.1.3"
        "Deleted: gone, its resources free, out of reach" by by!(device::A_DELETED_VM_IS_GONE);
    "VR-076" May "C" "7.1.3" "its data may be destroyed" by by!(device::A_DELETED_VM_IS_GONE);
    "VR-077" Must "C" "7.1.3" "Deleted is supported" by by!(device::A_VM_LIVES);
    "VR-078" Must "C" "7.1.4"
        "primitives are whole or not at all" by by!(device::FAILURES_ARE_UNDONE);
    "VR-079" Must "C" "7.1.4 primitive Create"
        "Create: NotCreated to Running" by by!(device::ONLY_PRIMITIVES_CHANGE_THE_STATE);
    "VR-080" Must "C" "7.1.4 primitive CreateAndPoweroff"
        "CreateAndPoweroff: NotCreated to PoweredOff"
        by by!(device::ONLY_PRIMITIVES_CHANGE_THE_STATE);
    "VR-081" CondMust "C" "7.1.4 primitive Suspend"
        "Suspend: Running to Suspended" by by!(device::ONLY_PRIMITIVES_CHANGE_THE_STATE);
    "VR-082" CondMust "C" "7.1.4 primitive Resume"
        "Resume: Suspended to Running" by by!(device::ONLY_PRIMITIVES_CHANGE_THE_STATE);
    "VR-083" Must "C" "7.1.4 primitive Poweron"
        "Poweron: PoweredOff to Running" by by!(device::ONLY_PRIMITIVES_CHANGE_THE_STATE);
    "VR-084" Must "C" "7.1.4 primitive Poweroff"
        "Poweroff: Running to PoweredOff" by by!(device::ONLY_PRIMITIVES_CHANGE_THE_STATE);
    "VR-085" Must "C" "7.1.4 primitive Delete"
        "Delete: Created to Deleted" by by!(device::ONLY_PRIMITIVES_CHANGE_THE_STATE);
}
