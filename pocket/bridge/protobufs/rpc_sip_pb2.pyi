import datetime

from google.protobuf import duration_pb2 as _duration_pb2
from livekit.protocol import room as _livekit_room_pb2
from livekit.protocol import sip as _livekit_sip_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class SIPTrunkAuthenticationError(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    SIP_TRUNK_AUTH_ERROR_NONE: _ClassVar[SIPTrunkAuthenticationError]
    SIP_TRUNK_AUTH_ERROR_QUOTA_EXCEEDED: _ClassVar[SIPTrunkAuthenticationError]
    SIP_TRUNK_AUTH_ERROR_NO_TRUNK_FOUND: _ClassVar[SIPTrunkAuthenticationError]

class SIPDispatchResult(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    LEGACY_ACCEPT_OR_PIN: _ClassVar[SIPDispatchResult]
    ACCEPT: _ClassVar[SIPDispatchResult]
    REQUEST_PIN: _ClassVar[SIPDispatchResult]
    REJECT: _ClassVar[SIPDispatchResult]
    DROP: _ClassVar[SIPDispatchResult]
SIP_TRUNK_AUTH_ERROR_NONE: SIPTrunkAuthenticationError
SIP_TRUNK_AUTH_ERROR_QUOTA_EXCEEDED: SIPTrunkAuthenticationError
SIP_TRUNK_AUTH_ERROR_NO_TRUNK_FOUND: SIPTrunkAuthenticationError
LEGACY_ACCEPT_OR_PIN: SIPDispatchResult
ACCEPT: SIPDispatchResult
REQUEST_PIN: SIPDispatchResult
REJECT: SIPDispatchResult
DROP: SIPDispatchResult

class InternalCreateSIPParticipantRequest(_message.Message):
    __slots__ = ("project_id", "sip_call_id", "sip_trunk_id", "sip_request_uri", "sip_from_header", "sip_to_header", "address", "hostname", "destination_country", "transport", "number", "call_to", "username", "password", "room_name", "participant_identity", "participant_name", "participant_metadata", "participant_attributes", "token", "ws_url", "dtmf", "play_dialtone", "headers", "headers_to_attributes", "attributes_to_headers", "include_headers", "ringing_timeout", "max_call_duration", "media_encryption", "media", "wait_until_answered", "display_name")
    class ParticipantAttributesEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    class HeadersEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    class HeadersToAttributesEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    class AttributesToHeadersEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    PROJECT_ID_FIELD_NUMBER: _ClassVar[int]
    SIP_CALL_ID_FIELD_NUMBER: _ClassVar[int]
    SIP_TRUNK_ID_FIELD_NUMBER: _ClassVar[int]
    SIP_REQUEST_URI_FIELD_NUMBER: _ClassVar[int]
    SIP_FROM_HEADER_FIELD_NUMBER: _ClassVar[int]
    SIP_TO_HEADER_FIELD_NUMBER: _ClassVar[int]
    ADDRESS_FIELD_NUMBER: _ClassVar[int]
    HOSTNAME_FIELD_NUMBER: _ClassVar[int]
    DESTINATION_COUNTRY_FIELD_NUMBER: _ClassVar[int]
    TRANSPORT_FIELD_NUMBER: _ClassVar[int]
    NUMBER_FIELD_NUMBER: _ClassVar[int]
    CALL_TO_FIELD_NUMBER: _ClassVar[int]
    USERNAME_FIELD_NUMBER: _ClassVar[int]
    PASSWORD_FIELD_NUMBER: _ClassVar[int]
    ROOM_NAME_FIELD_NUMBER: _ClassVar[int]
    PARTICIPANT_IDENTITY_FIELD_NUMBER: _ClassVar[int]
    PARTICIPANT_NAME_FIELD_NUMBER: _ClassVar[int]
    PARTICIPANT_METADATA_FIELD_NUMBER: _ClassVar[int]
    PARTICIPANT_ATTRIBUTES_FIELD_NUMBER: _ClassVar[int]
    TOKEN_FIELD_NUMBER: _ClassVar[int]
    WS_URL_FIELD_NUMBER: _ClassVar[int]
    DTMF_FIELD_NUMBER: _ClassVar[int]
    PLAY_DIALTONE_FIELD_NUMBER: _ClassVar[int]
    HEADERS_FIELD_NUMBER: _ClassVar[int]
    HEADERS_TO_ATTRIBUTES_FIELD_NUMBER: _ClassVar[int]
    ATTRIBUTES_TO_HEADERS_FIELD_NUMBER: _ClassVar[int]
    INCLUDE_HEADERS_FIELD_NUMBER: _ClassVar[int]
    RINGING_TIMEOUT_FIELD_NUMBER: _ClassVar[int]
    MAX_CALL_DURATION_FIELD_NUMBER: _ClassVar[int]
    MEDIA_ENCRYPTION_FIELD_NUMBER: _ClassVar[int]
    MEDIA_FIELD_NUMBER: _ClassVar[int]
    WAIT_UNTIL_ANSWERED_FIELD_NUMBER: _ClassVar[int]
    DISPLAY_NAME_FIELD_NUMBER: _ClassVar[int]
    project_id: str
    sip_call_id: str
    sip_trunk_id: str
    sip_request_uri: _livekit_sip_pb2.SIPRequestDest
    sip_from_header: _livekit_sip_pb2.SIPNamedDest
    sip_to_header: _livekit_sip_pb2.SIPNamedDest
    address: str
    hostname: str
    destination_country: str
    transport: _livekit_sip_pb2.SIPTransport
    number: str
    call_to: str
    username: str
    password: str
    room_name: str
    participant_identity: str
    participant_name: str
    participant_metadata: str
    participant_attributes: _containers.ScalarMap[str, str]
    token: str
    ws_url: str
    dtmf: str
    play_dialtone: bool
    headers: _containers.ScalarMap[str, str]
    headers_to_attributes: _containers.ScalarMap[str, str]
    attributes_to_headers: _containers.ScalarMap[str, str]
    include_headers: _livekit_sip_pb2.SIPHeaderOptions
    ringing_timeout: _duration_pb2.Duration
    max_call_duration: _duration_pb2.Duration
    media_encryption: _livekit_sip_pb2.SIPMediaEncryption
    media: _livekit_sip_pb2.SIPMediaConfig
    wait_until_answered: bool
    display_name: str
    def __init__(self, project_id: _Optional[str] = ..., sip_call_id: _Optional[str] = ..., sip_trunk_id: _Optional[str] = ..., sip_request_uri: _Optional[_Union[_livekit_sip_pb2.SIPRequestDest, _Mapping]] = ..., sip_from_header: _Optional[_Union[_livekit_sip_pb2.SIPNamedDest, _Mapping]] = ..., sip_to_header: _Optional[_Union[_livekit_sip_pb2.SIPNamedDest, _Mapping]] = ..., address: _Optional[str] = ..., hostname: _Optional[str] = ..., destination_country: _Optional[str] = ..., transport: _Optional[_Union[_livekit_sip_pb2.SIPTransport, str]] = ..., number: _Optional[str] = ..., call_to: _Optional[str] = ..., username: _Optional[str] = ..., password: _Optional[str] = ..., room_name: _Optional[str] = ..., participant_identity: _Optional[str] = ..., participant_name: _Optional[str] = ..., participant_metadata: _Optional[str] = ..., participant_attributes: _Optional[_Mapping[str, str]] = ..., token: _Optional[str] = ..., ws_url: _Optional[str] = ..., dtmf: _Optional[str] = ..., play_dialtone: _Optional[bool] = ..., headers: _Optional[_Mapping[str, str]] = ..., headers_to_attributes: _Optional[_Mapping[str, str]] = ..., attributes_to_headers: _Optional[_Mapping[str, str]] = ..., include_headers: _Optional[_Union[_livekit_sip_pb2.SIPHeaderOptions, str]] = ..., ringing_timeout: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., max_call_duration: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., media_encryption: _Optional[_Union[_livekit_sip_pb2.SIPMediaEncryption, str]] = ..., media: _Optional[_Union[_livekit_sip_pb2.SIPMediaConfig, _Mapping]] = ..., wait_until_answered: _Optional[bool] = ..., display_name: _Optional[str] = ...) -> None: ...

class InternalCreateSIPParticipantResponse(_message.Message):
    __slots__ = ("participant_id", "participant_identity", "sip_call_id")
    PARTICIPANT_ID_FIELD_NUMBER: _ClassVar[int]
    PARTICIPANT_IDENTITY_FIELD_NUMBER: _ClassVar[int]
    SIP_CALL_ID_FIELD_NUMBER: _ClassVar[int]
    participant_id: str
    participant_identity: str
    sip_call_id: str
    def __init__(self, participant_id: _Optional[str] = ..., participant_identity: _Optional[str] = ..., sip_call_id: _Optional[str] = ...) -> None: ...

class InternalTransferSIPParticipantRequest(_message.Message):
    __slots__ = ("sip_call_id", "transfer_to", "play_dialtone", "headers", "ringing_timeout")
    class HeadersEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    SIP_CALL_ID_FIELD_NUMBER: _ClassVar[int]
    TRANSFER_TO_FIELD_NUMBER: _ClassVar[int]
    PLAY_DIALTONE_FIELD_NUMBER: _ClassVar[int]
    HEADERS_FIELD_NUMBER: _ClassVar[int]
    RINGING_TIMEOUT_FIELD_NUMBER: _ClassVar[int]
    sip_call_id: str
    transfer_to: str
    play_dialtone: bool
    headers: _containers.ScalarMap[str, str]
    ringing_timeout: _duration_pb2.Duration
    def __init__(self, sip_call_id: _Optional[str] = ..., transfer_to: _Optional[str] = ..., play_dialtone: _Optional[bool] = ..., headers: _Optional[_Mapping[str, str]] = ..., ringing_timeout: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ...) -> None: ...

class SIPCall(_message.Message):
    __slots__ = ("lk_call_id", "source_ip", "address", "to", "via", "sip_call_id")
    LK_CALL_ID_FIELD_NUMBER: _ClassVar[int]
    SOURCE_IP_FIELD_NUMBER: _ClassVar[int]
    ADDRESS_FIELD_NUMBER: _ClassVar[int]
    FROM_FIELD_NUMBER: _ClassVar[int]
    TO_FIELD_NUMBER: _ClassVar[int]
    VIA_FIELD_NUMBER: _ClassVar[int]
    SIP_CALL_ID_FIELD_NUMBER: _ClassVar[int]
    lk_call_id: str
    source_ip: str
    address: _livekit_sip_pb2.SIPUri
    to: _livekit_sip_pb2.SIPUri
    via: _containers.RepeatedCompositeFieldContainer[_livekit_sip_pb2.SIPUri]
    sip_call_id: str
    def __init__(self, lk_call_id: _Optional[str] = ..., source_ip: _Optional[str] = ..., address: _Optional[_Union[_livekit_sip_pb2.SIPUri, _Mapping]] = ..., to: _Optional[_Union[_livekit_sip_pb2.SIPUri, _Mapping]] = ..., via: _Optional[_Iterable[_Union[_livekit_sip_pb2.SIPUri, _Mapping]]] = ..., sip_call_id: _Optional[str] = ..., **kwargs) -> None: ...

class GetSIPTrunkAuthenticationRequest(_message.Message):
    __slots__ = ("sip_call_id", "from_host", "to", "to_host", "src_address", "call")
    SIP_CALL_ID_FIELD_NUMBER: _ClassVar[int]
    FROM_FIELD_NUMBER: _ClassVar[int]
    FROM_HOST_FIELD_NUMBER: _ClassVar[int]
    TO_FIELD_NUMBER: _ClassVar[int]
    TO_HOST_FIELD_NUMBER: _ClassVar[int]
    SRC_ADDRESS_FIELD_NUMBER: _ClassVar[int]
    CALL_FIELD_NUMBER: _ClassVar[int]
    sip_call_id: str
    from_host: str
    to: str
    to_host: str
    src_address: str
    call: SIPCall
    def __init__(self, sip_call_id: _Optional[str] = ..., from_host: _Optional[str] = ..., to: _Optional[str] = ..., to_host: _Optional[str] = ..., src_address: _Optional[str] = ..., call: _Optional[_Union[SIPCall, _Mapping]] = ..., **kwargs) -> None: ...

class GetSIPTrunkAuthenticationResponse(_message.Message):
    __slots__ = ("username", "password", "realm", "drop", "sip_trunk_id", "project_id", "error_code")
    USERNAME_FIELD_NUMBER: _ClassVar[int]
    PASSWORD_FIELD_NUMBER: _ClassVar[int]
    REALM_FIELD_NUMBER: _ClassVar[int]
    DROP_FIELD_NUMBER: _ClassVar[int]
    SIP_TRUNK_ID_FIELD_NUMBER: _ClassVar[int]
    PROJECT_ID_FIELD_NUMBER: _ClassVar[int]
    ERROR_CODE_FIELD_NUMBER: _ClassVar[int]
    username: str
    password: str
    realm: str
    drop: bool
    sip_trunk_id: str
    project_id: str
    error_code: SIPTrunkAuthenticationError
    def __init__(self, username: _Optional[str] = ..., password: _Optional[str] = ..., realm: _Optional[str] = ..., drop: _Optional[bool] = ..., sip_trunk_id: _Optional[str] = ..., project_id: _Optional[str] = ..., error_code: _Optional[_Union[SIPTrunkAuthenticationError, str]] = ...) -> None: ...

class EvaluateSIPDispatchRulesRequest(_message.Message):
    __slots__ = ("sip_call_id", "sip_trunk_id", "calling_number", "calling_host", "called_number", "src_address", "pin", "no_pin", "called_host", "extra_attributes", "call")
    class ExtraAttributesEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    SIP_CALL_ID_FIELD_NUMBER: _ClassVar[int]
    SIP_TRUNK_ID_FIELD_NUMBER: _ClassVar[int]
    CALLING_NUMBER_FIELD_NUMBER: _ClassVar[int]
    CALLING_HOST_FIELD_NUMBER: _ClassVar[int]
    CALLED_NUMBER_FIELD_NUMBER: _ClassVar[int]
    SRC_ADDRESS_FIELD_NUMBER: _ClassVar[int]
    PIN_FIELD_NUMBER: _ClassVar[int]
    NO_PIN_FIELD_NUMBER: _ClassVar[int]
    CALLED_HOST_FIELD_NUMBER: _ClassVar[int]
    EXTRA_ATTRIBUTES_FIELD_NUMBER: _ClassVar[int]
    CALL_FIELD_NUMBER: _ClassVar[int]
    sip_call_id: str
    sip_trunk_id: str
    calling_number: str
    calling_host: str
    called_number: str
    src_address: str
    pin: str
    no_pin: bool
    called_host: str
    extra_attributes: _containers.ScalarMap[str, str]
    call: SIPCall
    def __init__(self, sip_call_id: _Optional[str] = ..., sip_trunk_id: _Optional[str] = ..., calling_number: _Optional[str] = ..., calling_host: _Optional[str] = ..., called_number: _Optional[str] = ..., src_address: _Optional[str] = ..., pin: _Optional[str] = ..., no_pin: _Optional[bool] = ..., called_host: _Optional[str] = ..., extra_attributes: _Optional[_Mapping[str, str]] = ..., call: _Optional[_Union[SIPCall, _Mapping]] = ...) -> None: ...

class EvaluateSIPDispatchRulesResponse(_message.Message):
    __slots__ = ("room_name", "participant_identity", "participant_name", "participant_metadata", "participant_attributes", "request_pin", "token", "ws_url", "result", "sip_trunk_id", "sip_dispatch_rule_id", "headers", "headers_to_attributes", "attributes_to_headers", "include_headers", "ringing_timeout", "max_call_duration", "room_preset", "room_config", "media")
    class ParticipantAttributesEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    class HeadersEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    class HeadersToAttributesEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    class AttributesToHeadersEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    ROOM_NAME_FIELD_NUMBER: _ClassVar[int]
    PARTICIPANT_IDENTITY_FIELD_NUMBER: _ClassVar[int]
    PARTICIPANT_NAME_FIELD_NUMBER: _ClassVar[int]
    PARTICIPANT_METADATA_FIELD_NUMBER: _ClassVar[int]
    PARTICIPANT_ATTRIBUTES_FIELD_NUMBER: _ClassVar[int]
    REQUEST_PIN_FIELD_NUMBER: _ClassVar[int]
    TOKEN_FIELD_NUMBER: _ClassVar[int]
    WS_URL_FIELD_NUMBER: _ClassVar[int]
    RESULT_FIELD_NUMBER: _ClassVar[int]
    SIP_TRUNK_ID_FIELD_NUMBER: _ClassVar[int]
    SIP_DISPATCH_RULE_ID_FIELD_NUMBER: _ClassVar[int]
    HEADERS_FIELD_NUMBER: _ClassVar[int]
    HEADERS_TO_ATTRIBUTES_FIELD_NUMBER: _ClassVar[int]
    ATTRIBUTES_TO_HEADERS_FIELD_NUMBER: _ClassVar[int]
    INCLUDE_HEADERS_FIELD_NUMBER: _ClassVar[int]
    RINGING_TIMEOUT_FIELD_NUMBER: _ClassVar[int]
    MAX_CALL_DURATION_FIELD_NUMBER: _ClassVar[int]
    ROOM_PRESET_FIELD_NUMBER: _ClassVar[int]
    ROOM_CONFIG_FIELD_NUMBER: _ClassVar[int]
    MEDIA_FIELD_NUMBER: _ClassVar[int]
    room_name: str
    participant_identity: str
    participant_name: str
    participant_metadata: str
    participant_attributes: _containers.ScalarMap[str, str]
    request_pin: bool
    token: str
    ws_url: str
    result: SIPDispatchResult
    sip_trunk_id: str
    sip_dispatch_rule_id: str
    headers: _containers.ScalarMap[str, str]
    headers_to_attributes: _containers.ScalarMap[str, str]
    attributes_to_headers: _containers.ScalarMap[str, str]
    include_headers: _livekit_sip_pb2.SIPHeaderOptions
    ringing_timeout: _duration_pb2.Duration
    max_call_duration: _duration_pb2.Duration
    room_preset: str
    room_config: _livekit_room_pb2.RoomConfiguration
    media: _livekit_sip_pb2.SIPMediaConfig
    def __init__(self, room_name: _Optional[str] = ..., participant_identity: _Optional[str] = ..., participant_name: _Optional[str] = ..., participant_metadata: _Optional[str] = ..., participant_attributes: _Optional[_Mapping[str, str]] = ..., request_pin: _Optional[bool] = ..., token: _Optional[str] = ..., ws_url: _Optional[str] = ..., result: _Optional[_Union[SIPDispatchResult, str]] = ..., sip_trunk_id: _Optional[str] = ..., sip_dispatch_rule_id: _Optional[str] = ..., headers: _Optional[_Mapping[str, str]] = ..., headers_to_attributes: _Optional[_Mapping[str, str]] = ..., attributes_to_headers: _Optional[_Mapping[str, str]] = ..., include_headers: _Optional[_Union[_livekit_sip_pb2.SIPHeaderOptions, str]] = ..., ringing_timeout: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., max_call_duration: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., room_preset: _Optional[str] = ..., room_config: _Optional[_Union[_livekit_room_pb2.RoomConfiguration, _Mapping]] = ..., media: _Optional[_Union[_livekit_sip_pb2.SIPMediaConfig, _Mapping]] = ...) -> None: ...
