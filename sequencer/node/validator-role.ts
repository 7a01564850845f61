/**
 * Whether a node votes or only follows. Its keys and the chain decide together: a node without
 * `priv_validator_key.json`, or with one that the chain does not know, follows; one that the chain
 * knows must also hold the application key that the state names.
 */
import { statSync } from "node:fs";
import { toHex } from "../../proto/bytes.ts";
import { WeftError } from "../../proto/errors.ts";
import type { PublicKey } from "../../proto/types.ts";
import { validatorAddress, validatorIndexByAddress } from "../../proto/validator-set.ts";
import type { WeftApplication } from "../app/weft-application.ts";
import type { Engine } from "../engine/engine.ts";
import type { Logger } from "../ports/logger.ts";
import type { Home } from "./home.ts";

export type RoleErrorInfo =
  /** The application key on disk is not the one that the chain knows for this validator. */
  | { readonly code: "KEY_APPLICATION_MISMATCH" }
  /** This is a validator's home, and its key is gone. */
  | { readonly code: "KEY_VALIDATOR_MISSING"; readonly path: string };

/**
 * Whether the home holds a validator key.
 * @throws WeftError<RoleErrorInfo> KEY_VALIDATOR_MISSING when it once did: a validator that silently
 * became a follower would be missed by the others only
 */
export function holdsValidatorKey(
  home: Pick<Home, "validatorKeyFile" | "validatorStateFile" | "applicationKeyFile">,
): boolean {
  if (isThere(home.validatorKeyFile)) return true;
  const sign = [home.applicationKeyFile, home.validatorStateFile].find(isThere);
  if (sign === undefined) return false;
  const path = home.validatorKeyFile;
  throw new WeftError<RoleErrorInfo>(
    { code: "KEY_VALIDATOR_MISSING", path },
    `${path} is missing, yet this is a validator's home (${sign} is there): restore the key from your backup; if the node shall only follow from now on, move what is left of the validator (config/application_key.json, data/priv_validator_state.json) to where it goes on`,
  );
}

/** What the chain makes of this node's key. */
export interface Role {
  /** Undefined: there is none. */
  readonly publicKey: PublicKey | undefined;
  /** Whether the key is of a validator of this height or of the next. */
  readonly isValidator: boolean;
}

/** As the embedded engine knows it. */
export function roleOf(engine: Pick<Engine, "status" | "chainState">): Role {
  const { publicKey } = engine.status();
  if (publicKey === undefined) return { publicKey, isValidator: false };
  const address = validatorAddress(publicKey);
  const { validators, nextValidators } = engine.chainState();
  const isIn = (set: typeof validators) => validatorIndexByAddress(set, address) >= 0;
  return { publicKey, isValidator: isIn(validators) || isIn(nextValidators) };
}

/**
 * Says in the log whether this node votes.
 * @throws WeftError<RoleErrorInfo> KEY_APPLICATION_MISMATCH when it would, without the registered
 * application key: its votes would be refused one by one
 */
export function checkRole(
  { publicKey, isValidator }: Role,
  parts: {
    readonly application: Pick<WeftApplication, "applicationKeyFault">;
    readonly logger: Logger;
  },
  applicationKeyFile: string,
): void {
  const { application, logger } = parts;
  if (publicKey === undefined) {
    logger.info("no validator key: this node follows the chain and does not vote");
    return;
  }
  const address = validatorAddress(publicKey);
  const validator = toHex(address).toUpperCase();
  if (!isValidator) {
    logger.info("not a validator of this chain: this node follows it and does not vote", {
      validator,
    });
    return;
  }
  const fault = application.applicationKeyFault(address);
  if (fault !== undefined) {
    throw new WeftError<RoleErrorInfo>(
      { code: "KEY_APPLICATION_MISMATCH" },
      `validator ${validator}: ${fault}; restore ${applicationKeyFile} from your backup`,
    );
  }
  logger.info("this node votes", { validator });
}

function isThere(path: string): boolean {
  // Anything but "no such file" (a folder that may not be read, say) is thrown, not taken for absence.
  return statSync(path, { throwIfNoEntry: false }) !== undefined;
}
