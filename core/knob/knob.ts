// A knob: one setting of a running process that can be turned while it works. The owner declares it,
// applies a value, reads it back, and answers with the state; every turn is an event on the time line.

export interface KnobDef {
  /** Owner-local name, dotted: 'write.flush', 'receive.arming', 'load.rate'. */
  name: string;
  /** Allowed values (enum), or bounds. */
  type:
    | { kind: 'enum'; values: string[] }
    | { kind: 'int' | 'float'; min: number; max: number }
    /** Printable ASCII, at most so many characters; '' is a value. */
    | { kind: 'text'; lengthMax: number };
  /** UCUM unit; '' for enums and texts. */
  unit: string;
  default: KnobValue;
  help: string;
}

export type KnobValue = string | number;

/** A turn asked for, on the bus. `id` comes back in the state that answers it. */
export interface KnobSet {
  id: string;
  value: KnobValue;
  /** Who turns it: 'lab', 'top', a person's name. */
  by: string;
}

/** Retained answer of the owner: what holds now, as read back. */
export interface KnobState {
  def: KnobDef;
  value: KnobValue;
  appliedWallMs: number;
  by: string;
  /** Id of the KnobSet this answers; '' at start. */
  id: string;
  /** Why the last turn was refused; the value is then the old one. */
  refused?: string;
}
