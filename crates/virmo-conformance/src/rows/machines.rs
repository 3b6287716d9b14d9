//! Seed 002, clause 8: the Virtualization MO.

use super::places;
use crate::{Proof, device, server};

rows! {
    Approved:
    "VR-086" NodeReq "C" "8 VirMO"
        "node VirMO: One, node, Get" by by!(device::NODES_ARE_AS_PRINTED);
    "VR-087" Must "C" "8 VirMO" "the MOID of the object" by by!(device::NODES_ARE_AS_PRINTED);
    "VR-088" NodeReq "C" "8 VirMO/<x>"
        "node VirMO/<x>: ZeroOrMore, node, Get" by by!(device::NODES_ARE_AS_PRINTED);
    "VR-089" NodeReq "C" "8 VirMO/<x>/VMID"
        "node VMID: One, chr, Get, No Replace" by by!(device::NODES_ARE_AS_PRINTED);
    "VR-090" Must "C" "8 VirMO/<x>/VMID"
        "VMID is the client's to give" by by!(device::IDS_ARE_THE_DEVICES);
    "VR-091" Must "C" "8 VirMO/<x>/VMID"
        "VMID is unique in the object" by by!(device::IDS_ARE_THE_DEVICES);
    "VR-092" NodeReq "C" "8 VirMO/<x>/Description"
        "node Description: One, chr, Get" by by!(device::NODES_ARE_AS_PRINTED);
    "VR-093" NodeReq "C" "8 VirMO/<x>/State"
        "node State: One, int, Get, No Replace" by by!(device::NODES_ARE_AS_PRINTED);
    "VR-094" Must "C" "8 VirMO/<x>/State"
        "State is the client's to set" by by!(device::IDS_ARE_THE_DEVICES);
    "VR-095" Must "C" "8 VirMO/<x>/State"
        "State is 0 to 4" by by!(device::ONLY_PRIMITIVES_CHANGE_THE_STATE);
    "VR-096" NodeReq "C" "8 VirMO/<x>/CreateParams"
        "node CreateParams: One, chr, Get" by by!(device::NODES_ARE_AS_PRINTED);
    "VR-097" Must "B" "8 CreateParams"
        "CreateParams are key=value pairs" by by!(device::CREATE_PARAMS_ARE_READ, server::CREATION);
    "VR-098" Must "B" "8 CreateParams"
        "joined by ampersands" by by!(device::CREATE_PARAMS_ARE_READ, server::CREATION);
    "VR-099" May "B" "8 CreateParams"
        "with keys of vendors, if need be" by by!(device::CREATE_PARAMS_ARE_READ);
    "VR-100" Must "B" "8 CreateParams"
        "both ends know ImgID and Running" by by!(device::CREATE_PARAMS_ARE_READ, server::CREATION);
    "VR-101" Param "B" "8 CreateParams ImgID"
        "ImgID comes once" by by!(device::CREATE_PARAMS_ARE_READ, server::CREATION);
    "VR-102" Must "B" "8 CreateParams ImgID"
        "ImgID is that of an image there" by by!(device::CREATE_PARAMS_ARE_READ, server::CREATION);
    "VR-103" Param "B" "8 CreateParams Running"
        "Running comes once or not at all" by by!(device::CREATE_PARAMS_ARE_READ, server::CREATION);
    "VR-104" Must "C" "8 CreateParams Running"
        "Running=true leads to Running" by by!(device::CREATE_PARAMS_ARE_READ);
    "VR-105" Must "C" "8 CreateParams Running"
        "Running=false leads to PoweredOff" by by!(device::CREATE_PARAMS_ARE_READ);
    "VR-106" Must "C" "8 CreateParams Running"
        "Running is true by default" by by!(device::CREATE_PARAMS_ARE_READ);
    "VR-107" NodeOpt "C" "8 VirMO/<x>/DMTree"
        "node DMTree: optional, One, node, Get" by by!(device::NODES_OF_A_MANAGED_VM);
    "VR-108" Must "B" "8 VirMO/<x>/DMTree"
        "the objects for managing a VM are below DMTree"
        by by!(device::PERIPHERALS_ARE_MANAGED, server::MANAGEMENT);
    "VR-109" NodeReq "C" "8 VirMO/<x>/Resources"
        "node Resources: One, node, Get" by by!(device::NODES_ARE_AS_PRINTED);
    "VR-110" NodeReq "C" "8 VirMO/<x>/Resources/CurrentConfig"
        "node CurrentConfig: One, chr, Get, No Replace" by by!(device::NODES_ARE_AS_PRINTED);
    "VR-111" Must "B" "8 CurrentConfig"
        "CurrentConfig is key=value pairs" by by!(device::RESOURCES_ARE_APPLIED, server::RESOURCES);
    "VR-112" Must "B" "8 CurrentConfig"
        "joined by ampersands" by by!(device::RESOURCES_ARE_APPLIED, server::RESOURCES);
    "VR-113" May "B" "8 CurrentConfig"
        "with keys of vendors, if need be" by by!(device::CONFIGURATIONS_ARE_READ);
    "VR-114" Must "B" "8 CurrentConfig"
        "both ends know RAM, Storage, CPU and Network"
        by by!(device::RESOURCES_ARE_APPLIED, server::RESOURCES);
    "VR-115" Param "B" "8 CurrentConfig RAM"
        "RAM in bytes, once" by by!(device::CONFIGURATIONS_ARE_READ);
    "VR-116" Param "B" "8 CurrentConfig Storage"
        "Storage in bytes, once" by by!(device::CONFIGURATIONS_ARE_READ);
    "VR-117" Param "B" "8 CurrentConfig CPU"
        "CPU from 0 to 100, once" by by!(device::CONFIGURATIONS_ARE_READ);
    "VR-118" Param "B" "8 CurrentConfig Network"
        "Network from 0 to 100, once" by by!(device::CONFIGURATIONS_ARE_READ);
    "VR-119" Must "C" "8 CurrentConfig Network"
        "Network holds up and down" by Proof::Document(&places::NETWORK);
    "VR-120" Must "C" "8 CurrentConfig Network"
        "Network holds for each connection" by Proof::Document(&places::NETWORK);
    "VR-121" NodeReq "C" "8 VirMO/<x>/Resources/NewConfig"
        "node NewConfig: ZeroOrOne, chr, Add" by by!(device::NODES_ARE_AS_PRINTED);
    "VR-122" Must "C" "8 NewConfig"
        "NewConfig is allocated by ApplyChanges" by by!(device::RESOURCES_ARE_APPLIED);
    "VR-123" Must "B" "8 NewConfig"
        "NewConfig is written as CurrentConfig"
        by by!(device::CONFIGURATIONS_ARE_READ, server::RESOURCES);
    "VR-124" NodeReq "C" "8 VirMO/<x>/Operations"
        "node Operations: One, node, Get" by by!(device::NODES_ARE_AS_PRINTED);
    "VR-125" NodeReq "C" "8 VirMO/<x>/Operations/Create"
        "node Create: One, null, Exec" by by!(device::NODES_ARE_AS_PRINTED);
    "VR-126" Must "S" "8 Operations/Create"
        "CreateParams are there before the Exec" by by!(server::CREATION);
    "VR-127" Must "C" "8 Operations/Create"
        "the VM is as CreateParams say" by by!(device::CREATE_PARAMS_ARE_READ);
    "VR-128" NodeReq "C" "8 VirMO/<x>/Operations/Delete"
        "node Delete: One, null, Exec" by by!(device::NODES_ARE_AS_PRINTED);
    "VR-129" Stmt "C" "8 Operations/Delete"
        "only what was created is deleted" by by!(device::ONLY_PRIMITIVES_CHANGE_THE_STATE);
    "VR-130" NodeOpt "C" "8 VirMO/<x>/Operations/Suspend"
        "node Suspend: optional, One, null, Exec" by by!(device::NODES_ARE_AS_PRINTED);
    "VR-131" NodeOpt "C" "8 VirMO/<x>/Operations/Resume"
        "node Resume: optional, One, null, Exec" by by!(device::NODES_ARE_AS_PRINTED);
    "VR-132" NodeReq "C" "8 VirMO/<x>/Operations/PowerOn"
        "node PowerOn: One, null, Exec" by by!(device::NODES_ARE_AS_PRINTED);
    "VR-133" NodeReq "C" "8 VirMO/<x>/Operations/PowerOff"
        "node PowerOff: One, null, Exec" by by!(device::NODES_ARE_AS_PRINTED);
    "VR-134" NodeOpt "C" "8 VirMO/<x>/Ext"
        "node Ext: optional, One, node, Get" by by!(device::NODES_ARE_AS_PRINTED);
    "VR-135" NodeReq "C" "8 VirMO/Operations"
        "node VirMO/Operations: One, node, Get" by by!(device::NODES_ARE_AS_PRINTED);
    "VR-136" NodeReq "C" "8 VirMO/Operations/ApplyChanges"
        "node ApplyChanges: One, null, Exec" by by!(device::NODES_ARE_AS_PRINTED);
    "VR-137" MustNot "C" "8 ApplyChanges"
        "an empty NewConfig changes nothing" by by!(device::RESOURCES_ARE_APPLIED);
    "VR-138" Must "C" "8 ApplyChanges"
        "after success each NewConfig is gone" by by!(device::RESOURCES_ARE_APPLIED);
    "VR-139" Must "C" "8 ApplyChanges"
        "what does not fit together is not applied"
        by by!(device::INCONSISTENT_RESOURCES_ARE_REFUSED);
    "VR-140" NodeReq "C" "8 VirMO/DeviceResources"
        "node DeviceResources: One, chr, Get" by by!(device::NODES_ARE_AS_PRINTED);
    "VR-141" Must "B" "8 DeviceResources"
        "DeviceResources are key=value pairs"
        by by!(device::THE_DEVICE_SAYS_WHAT_IT_HAS, server::SNAPSHOT);
    "VR-142" Must "B" "8 DeviceResources"
        "joined by ampersands" by by!(device::THE_DEVICE_SAYS_WHAT_IT_HAS, server::SNAPSHOT);
    "VR-143" May "B" "8 DeviceResources"
        "with keys of vendors, if need be" by by!(device::THE_DEVICE_SAYS_WHAT_IT_HAS);
    "VR-144" Must "B" "8 DeviceResources"
        "both ends know RAM and Storage"
        by by!(device::THE_DEVICE_SAYS_WHAT_IT_HAS, server::SNAPSHOT);
    "VR-145" Param "B" "8 DeviceResources RAM"
        "RAM in bytes, once" by by!(device::THE_DEVICE_SAYS_WHAT_IT_HAS);
    "VR-146" Param "B" "8 DeviceResources Storage"
        "Storage in bytes, once" by by!(device::THE_DEVICE_SAYS_WHAT_IT_HAS);
}
