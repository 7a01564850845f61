// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

/// Contracts whose state legs of atomic bundles may lock. A contract opts in for itself, in its constructor or later;
/// nobody can do it for another. What is locked at the moment of opting out stays locked until it is decided.
contract AtomicRegistry {
    /// Read by executors from slot keccak256(abi.encode(account, 0)).
    mapping(address => bool) public isLockable;

    event OptedIn(address indexed account);
    event OptedOut(address indexed account);

    function optIn() external {
        isLockable[msg.sender] = true;
        emit OptedIn(msg.sender);
    }

    function optOut() external {
        isLockable[msg.sender] = false;
        emit OptedOut(msg.sender);
    }
}
