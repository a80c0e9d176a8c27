import java.util.List;
import org.opensearch.plugins.Plugin;
import org.opensearch.transport.Netty4Plugin;

/** The modules on the class path: HTTP. OpenSearch 2 wants their classes. */
final class Modules {
    static final List<Class<? extends Plugin>> ALL = List.of(Netty4Plugin.class);

    private Modules() {}
}
