"""What an S3 service answers, in the words of `storage.errors`."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectionError,
    HTTPClientError,
    IncompleteReadError,
    NoCredentialsError,
    ResponseStreamingError,
)

from storage.blobs import contract
from storage.errors import LiuhenError, Refused, Transient

ABSENT = {"404", "NoSuchKey", "NotFound", "NoSuchVersion"}
WRONG_BYTES = {"BadDigest", "InvalidDigest", "XAmzContentChecksumMismatch", "XAmzContentSHA256Mismatch"}
LATER = {"SlowDown", "RequestTimeout", "RequestTimeTooSkewed", "ConditionalRequestConflict", "OperationAborted"}


def code_of(error: ClientError) -> str:
    return str(error.response.get("Error", {}).get("Code", ""))


def status_of(error: ClientError) -> int:
    metadata: dict[str, Any] = dict(error.response.get("ResponseMetadata", {}))
    return int(metadata.get("HTTPStatusCode", 0))


@contextlib.contextmanager
def translated(key: str) -> Iterator[None]:
    """Raise what botocore raises as one of ours; `key` is what the call was about."""
    try:
        yield
    except ClientError as error:
        raise of_answer(key, error) from error
    except NoCredentialsError as error:
        raise Refused(
            "未找到对象存储的访问凭据；请按 boto3 的方式配置（环境变量或配置文件）。",
            "no credentials for the object store: configure them the way boto3 reads them",
        ) from error
    except (HTTPClientError, ConnectionError, IncompleteReadError, ResponseStreamingError) as error:
        raise unreachable(str(error)) from error
    except BotoCoreError as error:
        raise Refused(f"对象存储调用不正确：{error}。", f"the object store call is wrong: {error}") from error


def of_answer(key: str, error: ClientError) -> LiuhenError:
    """The error for an answer that is not success."""
    code, status = code_of(error), status_of(error)
    if code in ABSENT:
        return contract.not_found(key)
    if code in WRONG_BYTES:
        return contract.wrong_bytes(key)
    if status >= 500 or status == 429 or code in LATER:
        return unreachable(code)
    return Refused(
        f"对象存储拒绝了对 {key} 的操作（{code}）；请检查权限、存储桶和对象锁定设置。",
        f"the object store refused the call for {key} ({code}): check permissions, bucket and object lock",
    )


def unreachable(why: str) -> Transient:
    return Transient(
        f"对象存储暂不可用（{why}），数据未被确认；请稍后重试。",
        f"the object store can't be reached ({why}); nothing was acknowledged: try again later",
    )


def no_lock(key: str) -> Refused:
    """The bucket or the service does not keep retention as it must."""
    return Refused(
        f"对象存储未按要求锁定 {key}；请使用启用了对象锁定（Object Lock）的存储桶。",
        f"the object store did not lock {key} as asked: use a bucket with object lock enabled",
    )
