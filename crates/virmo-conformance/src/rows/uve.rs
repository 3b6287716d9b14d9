//! Seed 003: UVE-2 and UVE-5.

use crate::uve;

rows! {
    Uve:
    "UR-001" Info "VMM" "1" "user images move from UVE-2 to UVE-5"
        by by!(uve::UVE_2_OFFERS_NO_USER_IMAGES);
    "UR-002" Stmt "VM" "1" "the VM works on the image through the Data Centre"
        by by!(uve::A_SECOND_LOGIN_SEES_THE_DATA_OF_THE_FIRST);
    "UR-003" Stmt "VM" "1" "at log-in the image is retrieved, then the user is served"
        by by!(uve::THE_IMAGE_COMES_BEFORE_THE_USER_IS_SERVED);
    "UR-004" Stmt "VM" "1" "after consuming the VM the image is updated for the next run"
        by by!(uve::A_SECOND_LOGIN_SEES_THE_DATA_OF_THE_FIRST);
    "UR-005" Stmt "VM, VMM" "6.3.2.2" "UVE-2 is exposed by the VM and used by the VMM"
        by by!(uve::UVE_2_IS_EXPOSED_BY_THE_VM);
    "UR-006" Stmt "VM, VMM" "6.3.2.2" "the VMM notifies of a request to monitor"
        by by!(uve::AN_ANNOUNCED_USER_MONITORS);
    "UR-007" Stmt "VMM" "6.3.2.2" "the notification names the user who wants to monitor"
        by by!(uve::ONLY_THE_NAMED_USER_MONITORS);
    "UR-008" Stmt "VM" "6.3.2.2" "only a user announced so is authorized to monitor"
        by by!(uve::ONLY_THE_NAMED_USER_MONITORS);
    "UR-009" Stmt "VM, VMM" "6.3.2.2" "the VMM deploys a UA"
        by by!(uve::UAS_ARE_DEPLOYED_UPDATED_AND_DELETED);
    "UR-010" Stmt "VM, VMM" "6.3.2.2" "the VMM deletes a UA"
        by by!(uve::UAS_ARE_DEPLOYED_UPDATED_AND_DELETED);
    "UR-011" Stmt "VM, VMM" "6.3.2.2" "the VMM updates a UA"
        by by!(uve::UAS_ARE_DEPLOYED_UPDATED_AND_DELETED);
    "UR-012" Stmt "VM, VMM" "6.3.2.2" "the VMM suspends a monitored session"
        by by!(uve::A_MONITORED_SESSION_IS_SUSPENDED);
    "UR-013" Stmt "VM, VMM" "6.3.2.5" "UVE-5 is exposed by the VMM and used by the VM"
        by by!(uve::UVE_5_IS_EXPOSED_BY_THE_VMM);
    "UR-014" Stmt "VM" "6.3.2.5" "an unexpected disconnect is told to the VMM"
        by by!(uve::A_DISCONNECT_NAMES_SESSION_USER_AND_UA);
    "UR-015" Stmt "VM" "6.3.2.5" "the disconnect names session, user and UA"
        by by!(uve::A_DISCONNECT_NAMES_SESSION_USER_AND_UA);
    "UR-016" Stmt "VM" "6.3.2.5" "the image is retrieved when the VM is selected"
        by by!(uve::THE_IMAGE_COMES_BEFORE_THE_USER_IS_SERVED);
    "UR-017" Stmt "VM" "6.3.2.5" "the image is updated when the user finishes"
        by by!(uve::A_SECOND_LOGIN_SEES_THE_DATA_OF_THE_FIRST);
    "UR-018" Stmt "VM" "6.3.2.5" "the image is updated when the user switches to another VM"
        by by!(uve::A_SWITCH_UPDATES_BEFORE_THE_NEXT_VM_SERVES);
}
