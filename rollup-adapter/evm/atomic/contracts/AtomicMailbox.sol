// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

/// Messages between the legs of one atomic bundle. It keeps nothing: what is written is a log, from which executors make
/// the outbox, and what can be read are the messages that the leg itself declares, which executors put into this
/// contract's transient storage before each transaction of a leg. The chain commits the bundle only if what each rollup
/// wrote is what the other one declared, so a contract may rely on what it reads.
contract AtomicMailbox {
    /// Transient slot 0: id of the bundle whose leg is being executed; zero outside of legs.
    uint256 private constant BUNDLE = 0;

    event Sent(
        bytes32 indexed rollup,
        address indexed sender,
        address indexed receiver,
        bytes32 session,
        bytes32 label,
        bytes data
    );

    error NotInBundle();
    error NoMessage();

    /// Bundle whose leg is being executed; zero outside of legs.
    function bundle() public view returns (bytes32 id) {
        assembly {
            id := tload(BUNDLE)
        }
    }

    /// A message of msg.sender to `receiver` on another rollup of the same bundle.
    function write(bytes32 rollup, address receiver, bytes32 session, bytes32 label, bytes calldata data) external {
        if (bundle() == 0) revert NotInBundle();
        emit Sent(rollup, msg.sender, receiver, session, label, data);
    }

    /// The message that `sender` on `rollup` wrote to msg.sender in this bundle. Reverts when none was declared.
    function read(bytes32 rollup, address sender, bytes32 session, bytes32 label)
        external
        view
        returns (bytes memory data)
    {
        // Length + 1 stands at the key, the bytes behind it.
        bytes32 key = keccak256(abi.encode(rollup, sender, msg.sender, session, label));
        uint256 length;
        assembly {
            length := tload(key)
        }
        if (length == 0) revert NoMessage();
        length -= 1;
        data = new bytes(length);
        for (uint256 i = 0; i < length; i += 32) {
            assembly {
                mstore(add(add(data, 32), i), tload(add(key, add(1, div(i, 32)))))
            }
        }
    }
}
