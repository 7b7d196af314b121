"""A variable of the C library's environment, in memory that is used again.

`setenv` keeps a copy of every value it is given, for good (glibc: `getenv` hands out pointers into
them): 160 bytes for each trace id. `putenv` takes over the memory that it is given, and to write
there is to set the variable. So what the C library knows is always right: a child process gets it
however it is started, and an extension module reads it with `getenv`.

`_ctypes` and not `ctypes`, which imports more and makes executable memory.
"""

import _ctypes

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

# The platform's longest trace id has 256 characters.
MAX_VARIABLE_BYTES = 1024


class _Char(_ctypes._SimpleCData):  # type: ignore[type-arg]  # noqa: SLF001
    _type_ = "c"


class _Address(_ctypes._SimpleCData):  # type: ignore[type-arg]  # noqa: SLF001
    _type_ = "P"


class _Allocation(_ctypes.CFuncPtr):
    # With Python's lock held: `os.putenv` of another thread waits.
    _flags_ = _ctypes.FUNCFLAG_CDECL | _ctypes.FUNCFLAG_PYTHONAPI
    _restype_ = _Address


class _Action(_ctypes.CFuncPtr):
    _flags_ = _Allocation._flags_
    _restype_ = None


class CVariable:
    """A variable that C code and child processes see; `os.environ` is not concerned.

    There are two buffers: a reader of the one that is in use never sees half a value.
    """

    __slots__ = ("_buffer", "_prefix", "_put", "_spare")

    def __init__(self, name: str) -> None:
        """Take the name. Raises OSError where the C library has no such functions."""
        library = _ctypes.dlopen(None, 0)  # type: ignore[arg-type]
        self._prefix = name.encode() + b"="
        self._put = _Action(_ctypes.dlsym(library, "putenv"))
        # Never freed: C code may read its environment after the end of the interpreter.
        allocate = _Allocation(_ctypes.dlsym(library, "malloc"))
        kind: Any = _Char * MAX_VARIABLE_BYTES
        self._buffer, self._spare = (
            (buffer, _ctypes.byref(buffer))  # made once: what a call takes a pointer from
            for buffer in (kind.from_address(allocate(MAX_VARIABLE_BYTES)) for _ in range(2))
        )

    def __repr__(self) -> str:
        return f"<CVariable {self._buffer[0].value!r}>"

    def set(self, value: bytes) -> bool:
        """Set the variable; return False, and leave it, for a value that is too long."""
        text = self._prefix + value
        if len(text) >= MAX_VARIABLE_BYTES:
            return False
        self._buffer, self._spare = self._spare, self._buffer
        buffer, pointer = self._buffer
        buffer.value = text
        self._put(pointer)
        return True
