"""AWS's own programs, fetched for comparison: never shipped, never imported by the runtime.

Everything is in ``.cache/`` at the root of the checkout and is fetched once, by pip, from the
package index that pip is configured for.
"""

from oracles.cache import OracleUnavailable as OracleUnavailable
