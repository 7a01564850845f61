// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

interface AtomicRegistry {
    function optIn() external;
}

interface AtomicMailbox {
    function write(bytes32 rollup, address receiver, bytes32 session, bytes32 label, bytes calldata data) external;
    function read(bytes32 rollup, address sender, bytes32 session, bytes32 label) external view returns (bytes memory);
}

/// A token whose holders swap it against the token of another rollup's desk, both or neither. For tests.
contract SwapDesk {
    AtomicRegistry private constant REGISTRY = AtomicRegistry(0x7765667400000000000000000000000000000001);
    AtomicMailbox private constant MAILBOX = AtomicMailbox(0x7765667400000000000000000000000000000002);

    mapping(address => uint256) public balanceOf;
    /// Of a session: paid here.
    mapping(bytes32 => bool) public isSettled;
    uint256 public counter;

    event Swapped(bytes32 indexed session, address indexed payer, address indexed payee, uint256 amount);

    constructor() {
        REGISTRY.optIn();
    }

    function mint(address to, uint256 amount) external {
        balanceOf[to] += amount;
    }

    function transfer(address to, uint256 amount) public {
        require(balanceOf[msg.sender] >= amount, "balance");
        balanceOf[msg.sender] -= amount;
        balanceOf[to] += amount;
    }

    /// Everybody's slot: for bundles that overlap.
    function count() external {
        counter += 1;
    }

    /// Pays `give` to `other` here if `other` pays `take` to msg.sender at `desk` on `rollup` in the same bundle.
    function swap(bytes32 rollup, address desk, bytes32 session, address other, uint256 give, uint256 take) external {
        transfer(other, give);
        isSettled[session] = true;
        MAILBOX.write(rollup, desk, session, "pay", abi.encode(msg.sender, other, give));
        bytes memory paid = MAILBOX.read(rollup, desk, session, "pay");
        require(keccak256(paid) == keccak256(abi.encode(other, msg.sender, take)), "other side");
        emit Swapped(session, msg.sender, other, give);
    }
}
