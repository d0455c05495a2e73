// Numbers of the wire.                                                         (protocol.md, "Message")
export const HEADER = 9;
export const METADATA_MAX = 32767;
export const LENGTH_MAX = 33554431; // metadata plus payload

export const HANDSHAKE = 0;
export const REQUEST = 1;
export const RESPONSE = 2;
export const ERROR = 3;
export const EVENTS = 4;

export const RAW = 0;
export const JSON_SERDE = 1;
export const PICKLE = 2;
export const MSGPACK = 3;
